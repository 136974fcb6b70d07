#include "net/certificate_choice.hpp"

#include "support/test_ca.hpp"

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using config::CertificateNames;
using net::CertificateChoice;
using Group = CertificateChoice::Group;

constexpr int kEcdsa = 1;
constexpr int kRsa = 2;

class CertificateChoiceTest : public testing::Test {
 protected:
  void add(const std::string& san, int kind) {
    names_.push_back(
        std::make_unique<CertificateNames>(ca_.issue({.name = san}).certificate.get()));
    candidates_.push_back({.names = names_.back().get(), .key_kind = kind});
  }
  Group find(std::string_view name) const {
    const CertificateChoice choice(candidates_);
    return choice.groups()[choice.find(name)];
  }

  TestCa ca_;
  std::vector<std::unique_ptr<CertificateNames>> names_;
  std::vector<CertificateChoice::Candidate> candidates_;
};

TEST_F(CertificateChoiceTest, KindsLieSideBySideAndTheFirstOfEachCounts) {
  add("DNS:a.test", kEcdsa);
  add("DNS:a.test,DNS:b.test", kRsa);
  add("DNS:a.test,DNS:c.test", kEcdsa);
  EXPECT_EQ(find("a.test"), (Group{0, 1}));
  EXPECT_EQ(find("a.test."), (Group{0, 1}));
  EXPECT_EQ(find("b.test"), (Group{1}));
  EXPECT_EQ(find("c.test"), (Group{2}));
  EXPECT_EQ(find("d.test"), (Group{0, 1})) << "the default";
  EXPECT_EQ(find(""), (Group{0, 1}));
}

TEST_F(CertificateChoiceTest, TheNameItselfGoesBeforeAWildcard) {
  add("DNS:*.w.test", kEcdsa);
  add("DNS:x.w.test", kEcdsa);
  add("DNS:*.w.test", kRsa);
  EXPECT_EQ(find("y.w.test"), (Group{0, 2}));
  EXPECT_EQ(find("x.w.test"), (Group{1, 2})) << "RSA has it by its wildcard alone";
  EXPECT_EQ(find("w.test"), (Group{0, 2})) << "the default";
  EXPECT_EQ(find("a.y.w.test"), (Group{0, 2})) << "the default";
}

TEST_F(CertificateChoiceTest, TheFirstIsTheDefaultWhateverElseHasItsName) {
  add("DNS:*.w.test", kRsa);
  add("DNS:x.w.test", kRsa);
  add("IP:127.0.0.1", kEcdsa);
  EXPECT_EQ(find("nobody.test"), (Group{0}));
  const CertificateChoice choice(candidates_);
  EXPECT_EQ(choice.groups().size(), 2u);
}

TEST_F(CertificateChoiceTest, WithoutANameOnlyTheFirstIsEverShown) {
  add("IP:127.0.0.1", kEcdsa);
  EXPECT_EQ(find("127.0.0.1"), (Group{0}));
}

TEST(CertificateNames, WhatIsNoNameIsLeftOut) {
  TestCa ca;
  const CertificateNames names(
      ca.issue({.name = "DNS:*,DNS:*.,DNS:a*.test,DNS:*.*.test,DNS:Good.Test,URI:http://x/"})
          .certificate.get());
  EXPECT_EQ(names.exact(), (std::vector<std::string>{"good.test"}));
  EXPECT_TRUE(names.wildcards().empty());
  EXPECT_EQ(names.first(), "good.test");
  EXPECT_TRUE(names.covers("GOOD.test."));
  EXPECT_FALSE(names.covers(""));
  EXPECT_FALSE(names.covers("."));
}

}  // namespace
}  // namespace millrace::test
