#include "http/head.hpp"

#include "http/connection.hpp"

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

TEST(Method, NamesRoundTripAndCaseCounts) {
  for (int i = 0; i < static_cast<int>(Method::kOther); ++i) {
    const auto method = static_cast<Method>(i);
    ASSERT_FALSE(method_name(method).empty());
    EXPECT_EQ(parse_method(method_name(method)), method);
  }
  for (const char* other : {"", "get", "GETS", "GE", "PROPFIND"})
    EXPECT_EQ(parse_method(other), Method::kOther) << other;
  EXPECT_EQ(method_name(Method::kOther), "");
}

TEST(Method, IdempotentAndSafe) {
  EXPECT_TRUE(is_idempotent(Method::kPut));
  EXPECT_FALSE(is_safe(Method::kPut));
  EXPECT_FALSE(is_idempotent(Method::kPost));
  EXPECT_FALSE(is_idempotent(Method::kPatch));
  EXPECT_FALSE(is_idempotent(Method::kOther));
}

TEST(ReasonPhrase, KnowsTheRegistryAndNothingElse) {
  EXPECT_EQ(reason_phrase(100), "Continue");
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(413), "Content Too Large");
  EXPECT_EQ(reason_phrase(511), "Network Authentication Required");
  for (const int none : {-1, 0, 99, 104, 299, 306, 418, 499, 512, 600, 1000})
    EXPECT_EQ(reason_phrase(none), "") << none;
}

TEST(RequestHead, ClearLeavesNothingBehind) {
  RequestHead head;
  head.method = Method::kPost;
  head.method_text = "POST";
  head.version = Version::kHttp10;
  head.https = true;
  head.authority = "a";
  head.path = "/";
  head.query = "q";
  head.has_query = true;
  head.body = BodyLength::known(5);
  head.fields.add(FieldId::kHost, "a");
  head.clear();
  EXPECT_EQ(head.method, Method::kGet);
  EXPECT_EQ(head.version, Version::kHttp11);
  EXPECT_FALSE(head.https || head.has_query);
  EXPECT_EQ(head.method_text.size() + head.authority.size() + head.path.size() + head.query.size(),
            0U);
  EXPECT_TRUE(head.body.is_none());
  EXPECT_TRUE(head.fields.empty());
}

struct PersistCase {
  Version version;
  std::vector<std::string_view> connection;
  bool persists;
};

TEST(Connection, PersistsAsTheVersionAndTheOptionsSay) {
  const std::vector<PersistCase> cases{
      {Version::kHttp11, {}, true},
      {Version::kHttp11, {"close"}, false},
      {Version::kHttp11, {"Close"}, false},
      {Version::kHttp11, {"keep-alive"}, true},
      {Version::kHttp11, {"keep-alive, close"}, false},
      {Version::kHttp11, {"keep-alive", "x,close"}, false},
      {Version::kHttp11, {"closed"}, true},
      {Version::kHttp10, {}, false},
      {Version::kHttp10, {"Keep-Alive"}, true},
      {Version::kHttp10, {"keep-alive,close"}, false},
      {Version::kHttp2, {}, true},
  };
  for (const PersistCase& one : cases) {
    Fields fields;
    for (const std::string_view value : one.connection) fields.add(FieldId::kConnection, value);
    EXPECT_EQ(persists(one.version, fields), one.persists)
        << static_cast<int>(one.version) << ' ' << testing::PrintToString(one.connection);
  }
}

TEST(Connection, CountsOptionsOverAllFields) {
  Fields fields;
  fields.add(FieldId::kConnection, "Upgrade, x-a,,");
  fields.add(FieldId::kConnection, "keep-alive");
  EXPECT_EQ(connection_options(fields),
            (ConnectionOptions{.close = false, .keep_alive = true, .upgrade = true, .count = 3}));
}

}  // namespace
}  // namespace millrace::http
