#include "net/dns_name.hpp"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

using Names = std::vector<std::string>;

TEST(DnsName, Normalises) {
  EXPECT_EQ(normalize_dns_name("WWW.Example."), "www.example.");
  EXPECT_EQ(normalize_dns_name("_http._TCP.web"), "_http._tcp.web");
  for (const char* bad : {"", ".", "..", "a..b", "a.b..", "127.1", "a.0x1f", "a b", "*.a"})
    EXPECT_EQ(normalize_dns_name(bad), std::nullopt) << bad;
}

TEST(SearchList, CompletesNames) {
  const SearchList list{.domains = {"one.example", "two.example"}, .ndots = 2};
  EXPECT_EQ(list.candidates("a"), (Names{"a.one.example", "a.two.example", "a"}));
  EXPECT_EQ(list.candidates("a.b"), (Names{"a.b.one.example", "a.b.two.example", "a.b"}));
  EXPECT_EQ(list.candidates("a.b.c"), (Names{"a.b.c", "a.b.c.one.example", "a.b.c.two.example"}));
  EXPECT_EQ(list.candidates("a."), Names{"a"});
  EXPECT_EQ(SearchList().candidates("a"), Names{"a"});
}

TEST(SearchList, LeavesOutWhatWouldBeTooLong) {
  const std::string label(63, 'a');
  const std::string name = label + '.' + label + '.' + label + '.' + std::string(57, 'b');  // 249
  const SearchList list{.domains = {"abc", "abcd"}};
  EXPECT_EQ(list.candidates(name), (Names{name, name + ".abc"}));
}

TEST(SearchList, ReadsResolvConf) {
  EXPECT_EQ(parse_search_list(""), SearchList());
  EXPECT_EQ(parse_search_list("# search no\n"
                              "nameserver 127.0.0.1\n"
                              "domain first.example\n"
                              "search\tOne.Example. two.example  .  bad..name \r\n"
                              "options timeout:1 ndots:5 rotate\n"),
            (SearchList{.domains = {"one.example", "two.example"}, .ndots = 5}));
  EXPECT_EQ(parse_search_list("search a b\ndomain c d\noptions ndots:99"),
            (SearchList{.domains = {"c"}, .ndots = 15}));
  EXPECT_EQ(parse_search_list("searches a\noptions ndots:x ndots:-1"), SearchList());
  std::string many = "search";
  for (int i = 0; i < 40; ++i) many += " d" + std::to_string(i);
  EXPECT_EQ(parse_search_list(many).domains.size(), SearchList::kDomainsMax);
}

}  // namespace
}  // namespace millrace::net
