#include "net/hosts_file.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

constexpr TimePoint kStart{std::chrono::hours(1)};

std::vector<IpAddress> ips(std::initializer_list<const char*> texts) {
  std::vector<IpAddress> out;
  for (const char* t : texts) out.push_back(*IpAddress::parse(t));
  return out;
}

class HostsFileTest : public testing::Test {
 protected:
  // A new file each time: the same size within the clock's grain would look unchanged.
  void write(const std::string& text) {
    const std::string fresh = path_ + ".new";
    std::ofstream(fresh) << text;
    std::filesystem::rename(fresh, path_);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  const std::string path_ = testing::TempDir() + "hosts_" +
                            testing::UnitTest::GetInstance()->current_test_info()->name() +
                            std::to_string(::getpid());
};

TEST(ParseHosts, ReadsNamesAliasesAndComments) {
  const HostsMap map = parse_hosts(
      "# 9.9.9.9 comment\n"
      "10.0.0.1\tDB.example  db # 10.0.0.2 not\r\n"
      "\n"
      "::1 db\n"
      "10.0.0.1 db\n"
      "   10.0.0.3   padded   \n"
      "fe80::1%lo0 scoped\n"
      "300.1.1.1 bad\n"
      "10.0.0.4\n"
      "10.0.0.5 last");
  EXPECT_EQ(map.at("db.example"), ips({"10.0.0.1"}));
  EXPECT_EQ(map.at("db"), ips({"10.0.0.1", "::1"}));
  EXPECT_EQ(map.at("padded"), ips({"10.0.0.3"}));
  EXPECT_EQ(map.at("last"), ips({"10.0.0.5"}));
  EXPECT_EQ(map.size(), 4U);
}

TEST_F(HostsFileTest, AMissingFileIsAnEmptyOne) {
  HostsFile hosts(path_);
  EXPECT_EQ(hosts.find("a", kStart), nullptr);
}

TEST_F(HostsFileTest, IsReadAgainWhenItChangedAndLookedAtOnceASecond) {
  write("10.0.0.1 a\n");
  HostsFile hosts(path_);
  ASSERT_NE(hosts.find("a", kStart), nullptr);
  write("10.0.0.2 a\n");
  EXPECT_EQ(*hosts.find("a", kStart + std::chrono::milliseconds(999)), ips({"10.0.0.1"}));
  EXPECT_EQ(*hosts.find("a", kStart + std::chrono::milliseconds(1000)), ips({"10.0.0.2"}));
  std::filesystem::remove(path_);
  EXPECT_EQ(hosts.find("a", kStart + std::chrono::milliseconds(2000)), nullptr);
}

}  // namespace
}  // namespace millrace::net
