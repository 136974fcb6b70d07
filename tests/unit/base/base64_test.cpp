#include "base/base64.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using namespace std::string_literals;

std::string encoded(std::string_view bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

TEST(Base64, KnownTexts) {  // RFC 4648 section 10
  const std::pair<std::string, std::string> known[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"},
                                                       {"\xff\xfe\xfb"s, "//77"},
                                                       {"\0\0\0"s, "AAAA"}};
  for (const auto& [plain, coded] : known) {
    EXPECT_EQ(encoded(plain), coded);
    EXPECT_EQ(decode_base64(coded), plain) << coded;
  }
}

TEST(Base64, EveryByteSurvives) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (std::size_t n = 250; n <= 256; ++n)
    EXPECT_EQ(decode_base64(encoded(all.substr(0, n))), all.substr(0, n));
}

TEST(Base64, WhatIsMalformedIsRefused) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zm9vY", "Zg==Zg==", "Z===", "====", "Zm9-", "Zm9_",
                           "Zm 9", "Zm9v\n", "Zh==", "Zm9=", "=Zg=", "Zg=v"})
    EXPECT_EQ(decode_base64(text), std::nullopt) << text;
}

}  // namespace
}  // namespace millrace::test
