#include "http/base64.hpp"

#include <string_view>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using std::literals::operator""sv;

// RFC 4648 section 10.
TEST(Base64, PadsToFours) {
  EXPECT_EQ(base64(""sv), "");
  EXPECT_EQ(base64("f"sv), "Zg==");
  EXPECT_EQ(base64("fo"sv), "Zm8=");
  EXPECT_EQ(base64("foo"sv), "Zm9v");
  EXPECT_EQ(base64("foobar"sv), "Zm9vYmFy");
  EXPECT_EQ(base64("\0\xff\xfe"sv), "AP/+");
}

}  // namespace
}  // namespace millrace::http
