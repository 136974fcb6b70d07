#include "http/gate.hpp"

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using namespace std::string_literals;
using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

constexpr std::string_view kHost = "example.com";

void fill(Fields& fields, const Pairs& pairs) {
  for (const auto& [name, value] : pairs) fields.add(name, value);
}

struct Judged {
  RequestHead head;
  Result<RequestVerdict> verdict = fail(Errc::kInternal);
};

Judged judge(const RawRequest& raw, const Pairs& pairs, const HeadLimits& limits = {}) {
  Judged judged;
  fill(judged.head.fields, pairs);
  judged.verdict = judge_request(raw, judged.head, limits);
  return judged;
}

/// A POST over `version` with a good Host and `pairs`.
Judged post(const Pairs& pairs, Version version = Version::kHttp11, const HeadLimits& limits = {}) {
  Pairs all{{"Host", kHost}};
  all.insert(all.end(), pairs.begin(), pairs.end());
  return judge({.method_text = "POST", .target = "/p", .version = version}, all, limits);
}

/// kCount_: accepted.
Errc errc_of(const Judged& judged) {
  return judged.verdict ? Errc::kCount_ : judged.verdict.error().errc;
}

TEST(Gate, FillsTheHead) {
  const Judged got = judge({.method_text = "GET", .target = "/a/../b%7e?x=%zz", .https = true},
                           {{"Host", "Example.com:8443"}, {"X-A", "caf\xc3\xa9\tx"}});
  ASSERT_TRUE(got.verdict);
  EXPECT_EQ(got.head.method, Method::kGet);
  EXPECT_EQ(got.head.method_text, "GET");
  EXPECT_EQ(got.head.authority, "Example.com:8443");
  EXPECT_EQ(got.head.path, "/b~");
  EXPECT_EQ(got.head.query, "x=%zz");
  EXPECT_TRUE(got.head.has_query);
  EXPECT_TRUE(got.head.https);
  EXPECT_TRUE(got.head.body.is_none());
  EXPECT_TRUE(got.verdict->keep_alive);
  EXPECT_FALSE(got.verdict->expect_continue);
  EXPECT_EQ(got.head.fields.size(), 2U);
}

struct FramingCase {
  Pairs fields;
  Errc errc;
};

TEST(Gate, RefusesAmbiguousFraming) {
  using enum Errc;
  const std::string_view te = "Transfer-Encoding";
  const std::string_view cl = "Content-Length";
  const std::vector<FramingCase> cases{
      // One coding, and it has to be chunked.
      {{{te, "identity"}}, kBadTransferEncoding},
      {{{te, "gzip"}}, kBadTransferEncoding},
      {{{te, "xchunked"}}, kBadTransferEncoding},
      {{{te, "chunkedx"}}, kBadTransferEncoding},
      {{{te, "chunked, gzip"}}, kBadTransferEncoding},
      {{{te, "chunked, identity"}}, kBadTransferEncoding},
      {{{te, "chunked, chunked"}}, kBadTransferEncoding},
      {{{te, "chunked;x"}}, kBadTransferEncoding},
      {{{te, "chunked;q=1"}}, kBadTransferEncoding},
      {{{te, "gzip;x=y, chunked"}}, kBadTransferEncoding},
      {{{te, ""}}, kBadTransferEncoding},
      {{{te, ","}}, kBadTransferEncoding},
      {{{te, ",chunked"}}, kBadTransferEncoding},
      {{{te, "chunked,"}}, kBadTransferEncoding},
      {{{te, "chun ked"}}, kBadTransferEncoding},
      {{{te, "\"chunked\""}}, kBadTransferEncoding},
      {{{te, "'chunked'"}}, kBadTransferEncoding},
      {{{te, "chunked\xff"}}, kBadTransferEncoding},
      {{{te,
         "\x0b"
         "chunked"}},
       kBadField},
      {{{te, std::string_view("chunked\0", 8)}}, kBadField},
      {{{te, "chunked\r\n x"}}, kBadField},
      {{{te, "gzip, chunked"}}, kUnknownTransferCoding},
      {{{te, "foo ,\tchunked"}}, kUnknownTransferCoding},
      // Twice, and together with a length.
      {{{te, "chunked"}, {te, "chunked"}}, kBadTransferEncoding},
      {{{te, "chunked"}, {te, "identity"}}, kBadTransferEncoding},
      {{{te, "identity"}, {te, "chunked"}}, kBadTransferEncoding},
      {{{te, "chunked"}, {cl, "5"}}, kBadContentLength},
      {{{cl, "5"}, {te, "chunked"}}, kBadContentLength},
      {{{cl, "5"}, {te, "identity"}}, kBadContentLength},
      {{{cl, "0"}, {te, "xchunked"}}, kBadContentLength},
      {{{"Transfer_Encoding", "chunked"}}, kBadField},
      {{{"transfer_encoding", "chunked"}, {cl, "5"}}, kBadField},
      {{{"Content_Length", "5"}}, kBadField},
      {{{"Transfer-Encoding ", "chunked"}}, kBadField},
      // Lengths.
      {{{cl, "5"}, {cl, "5"}}, kBadContentLength},
      {{{cl, "5"}, {cl, "6"}}, kBadContentLength},
      {{{cl, "5, 5"}}, kBadContentLength},
      {{{cl, "5,6"}}, kBadContentLength},
      {{{cl, "5,"}}, kBadContentLength},
      {{{cl, ""}}, kBadContentLength},
      {{{cl, "+5"}}, kBadContentLength},
      {{{cl, "-0"}}, kBadContentLength},
      {{{cl, "0x5"}}, kBadContentLength},
      {{{cl, "5_0"}}, kBadContentLength},
      {{{cl, "5 5"}}, kBadContentLength},
      {{{cl, "5.0"}}, kBadContentLength},
      {{{cl, "1e2"}}, kBadContentLength},
      {{{cl, "\xd9\xa5"}}, kBadContentLength},
      {{{cl, "9223372036854775808"}}, kBadContentLength},
      {{{cl, "18446744073709551616"}}, kBadContentLength},
      {{{cl, "99999999999999999999999"}}, kBadContentLength},
  };
  for (const FramingCase& one : cases) {
    const Judged got = post(one.fields);
    EXPECT_EQ(errc_of(got), one.errc) << testing::PrintToString(one.fields);
    const int status = info(errc_of(got)).status;
    EXPECT_TRUE(status == 400 || status == 501) << testing::PrintToString(one.fields);
  }
}

TEST(Gate, TransferEncodingOverHttp10IsRefused) {
  EXPECT_EQ(errc_of(post({{"Transfer-Encoding", "chunked"}}, Version::kHttp10)),
            Errc::kBadTransferEncoding);
}

TEST(Gate, TakesTheFramingThatHasOneMeaning) {
  for (const std::string_view chunked : {"chunked", "Chunked", "CHUNKED"}) {
    const Judged got = post({{"Transfer-Encoding", chunked}});
    ASSERT_TRUE(got.verdict) << chunked;
    EXPECT_EQ(got.head.body.kind, BodyLength::Kind::kUnknown);
  }
  const std::vector<std::pair<std::string_view, std::uint64_t>> lengths{
      {"0", 0}, {"5", 5}, {"0005", 5}, {"9223372036854775807", 9223372036854775807U}};
  for (const auto& [text, bytes] : lengths) {
    const Judged got = post({{"content-length", text}});
    ASSERT_TRUE(got.verdict) << text;
    EXPECT_TRUE(got.head.body.is_known());
    EXPECT_EQ(got.head.body.bytes, bytes);
  }
}

TEST(Gate, HostIsExactlyOneAndValid) {
  const RawRequest get{.method_text = "GET", .target = "/"};
  EXPECT_EQ(errc_of(judge(get, {})), Errc::kBadHost);
  EXPECT_EQ(errc_of(judge(get, {{"Host", "a"}, {"Host", "a"}})), Errc::kBadHost);
  for (const std::string_view bad : {"", "a,b", "u@a", "a/b", "a b", "a:x", "a?b", "[::1"})
    EXPECT_EQ(errc_of(judge(get, {{"Host", bad}})), Errc::kBadHost) << bad;
  EXPECT_TRUE(judge(get, {{"hOST", "[::1]:80"}}).verdict);
}

TEST(Gate, Http10MayComeWithoutHost) {
  RawRequest get{.method_text = "GET", .target = "/", .version = Version::kHttp10};
  const Judged got = judge(get, {});
  ASSERT_TRUE(got.verdict);
  EXPECT_EQ(got.head.authority, "");
  EXPECT_FALSE(got.verdict->keep_alive);
  EXPECT_EQ(errc_of(judge(get, {{"Host", "a"}, {"Host", "b"}})), Errc::kBadHost);
  EXPECT_EQ(errc_of(judge(get, {{"Host", "a,b"}})), Errc::kBadHost);
  EXPECT_EQ(judge(get, {{"Host", "a"}}).head.authority, "a");
}

TEST(Gate, TheAbsoluteFormWinsOverHost) {
  const RawRequest get{.method_text = "GET", .target = "http://target:81/x?y"};
  const Judged got = judge(get, {{"Host", "other"}});
  ASSERT_TRUE(got.verdict);
  EXPECT_EQ(got.head.authority, "target:81");
  EXPECT_EQ(got.head.path, "/x");
  EXPECT_EQ(got.head.query, "y");
  EXPECT_EQ(errc_of(judge(get, {})), Errc::kBadHost);
  EXPECT_EQ(errc_of(judge(get, {{"Host", "a b"}})), Errc::kBadHost);
}

TEST(Gate, OtherForms) {
  const Judged options = judge({.method_text = "OPTIONS", .target = "*"}, {{"Host", "a"}});
  ASSERT_TRUE(options.verdict);
  EXPECT_EQ(options.head.path, "*");
  const Judged connect = judge({.method_text = "CONNECT", .target = "b:443"}, {{"Host", "a"}});
  ASSERT_TRUE(connect.verdict);
  EXPECT_EQ(connect.head.authority, "b:443");
  EXPECT_EQ(connect.head.path, "");
  EXPECT_EQ(errc_of(judge({.method_text = "GET", .target = "*"}, {{"Host", "a"}})),
            Errc::kBadTarget);
}

TEST(Gate, TheTargetIsThereAsItCameToo) {
  const auto form_of = [](std::string_view method, std::string_view target) {
    const Judged got = judge({.method_text = method, .target = target}, {{"Host", "a"}});
    EXPECT_TRUE(got.verdict);
    EXPECT_EQ(got.head.target, target);
    return got.head.form;
  };
  EXPECT_EQ(form_of("GET", "/a/../%62?c"), TargetForm::kOrigin);
  EXPECT_EQ(form_of("GET", "HTTP://b/a/../%62?c"), TargetForm::kAbsolute);
  EXPECT_EQ(form_of("OPTIONS", "*"), TargetForm::kAsterisk);
  EXPECT_EQ(form_of("CONNECT", "b:443"), TargetForm::kAuthority);
}

TEST(Gate, RefusesBadTargets) {
  for (const std::string_view bad : {"", "/#f", "/\"", "/<", "/>", "/\\", "/\x01", "/\x7f",
                                     "/\xc3\xa4", "/a b", "/%zz", "/%00", "x"})
    EXPECT_EQ(errc_of(judge({.method_text = "GET", .target = bad}, {{"Host", "a"}})),
              Errc::kBadTarget)
        << bad;
}

TEST(Gate, TheTargetLimitIsExact) {
  const HeadLimits limits{.target_bytes_max = 100};
  const std::string fits = "/" + std::string(99, 'a');
  const Pairs host{{"Host", "a"}};
  EXPECT_TRUE(judge({.method_text = "GET", .target = fits}, host, limits).verdict);
  const std::string over = fits + "a";
  EXPECT_EQ(errc_of(judge({.method_text = "GET", .target = over}, host, limits)),
            Errc::kTargetTooLong);
}

TEST(Gate, MethodsAreTokens) {
  const Pairs host{{"Host", "a"}};
  const auto method = [&](std::string_view text) {
    return errc_of(judge({.method_text = text, .target = "/"}, host));
  };
  EXPECT_EQ(method("PROPFIND"), Errc::kCount_);
  EXPECT_EQ(method("get"), Errc::kCount_);
  EXPECT_EQ(method(std::string(kMethodBytesMax, 'M')), Errc::kCount_);
  EXPECT_EQ(method(std::string(kMethodBytesMax + 1, 'M')), Errc::kMethodUnknown);
  for (const std::string_view bad : {"", "G T", "GET,", "G\x01", "G\xff", "GET:"})
    EXPECT_EQ(method(bad), Errc::kBadMethod) << bad;
}

TEST(Gate, VersionsAreTwo) {
  EXPECT_EQ(version_of(10).value(), Version::kHttp10);
  EXPECT_EQ(version_of(11).value(), Version::kHttp11);
  for (const int bad : {0, 9, 12, 19, 20, 30, -1}) {
    ASSERT_FALSE(version_of(bad)) << bad;
    EXPECT_EQ(version_of(bad).error().errc, Errc::kBadVersion);
  }
}

TEST(Gate, NamesAreTokensAndValuesHoldNoControls) {
  for (const std::string_view name : {"", "a b", "a:", "a\x01", "\xc3\xa4", "a\"", "(a)", "a\r"})
    EXPECT_EQ(errc_of(post({{name, "x"}})), Errc::kBadField) << name;
  for (int c = 0; c < 256; ++c) {
    const std::string value = "a" + std::string(1, static_cast<char>(c)) + "b";
    const bool bad = (c < 0x20 && c != '\t') || c == 0x7f;
    EXPECT_EQ(errc_of(post({{"X-A", value}})), bad ? Errc::kBadField : Errc::kCount_) << c;
    EXPECT_EQ(errc_of(post({{"User-Agent", value + std::string(20, 'x')}})),
              bad ? Errc::kBadField : Errc::kCount_)
        << c;
  }
}

TEST(Gate, UnderscoresDoNotMakeAliasesOfOurNames) {
  for (const std::string_view alias : {"X_Forwarded_For", "x-forwarded_for", "X_REQUEST_ID",
                                       "Content_Type", "Keep_Alive", "User_Agent"})
    EXPECT_EQ(errc_of(post({{alias, "x"}})), Errc::kBadField) << alias;
  for (const std::string_view fine :
       {"api_key", "X_Custom", "_", "x_forwarded_for_a_name_that_is_long_"})
    EXPECT_EQ(errc_of(post({{fine, "x"}})), Errc::kCount_) << fine;
}

TEST(Gate, ExpectIs100ContinueOrNothing) {
  const Pairs body{{"Content-Length", "5"}};
  const auto expect = [](std::string_view value, std::string_view length = "5",
                         Version version = Version::kHttp11) {
    return post({{"Expect", value}, {"Content-Length", length}}, version);
  };
  EXPECT_TRUE(expect("100-continue").verdict.value().expect_continue);
  EXPECT_TRUE(expect("100-Continue").verdict.value().expect_continue);
  EXPECT_FALSE(expect("100-continue", "0").verdict.value().expect_continue);
  EXPECT_FALSE(expect("100-continue", "5", Version::kHttp10).verdict.value().expect_continue);
  EXPECT_FALSE(post({{"Expect", "100-continue"}}).verdict.value().expect_continue);
  EXPECT_TRUE(post({{"Expect", "100-continue"}, {"Transfer-Encoding", "chunked"}})
                  .verdict.value()
                  .expect_continue);
  for (const std::string_view bad :
       {"", "200-ok", "100-continue, x", "100-continue;a", "100", "y 100-continue"})
    EXPECT_EQ(errc_of(expect(bad)), Errc::kExpectationFailed) << bad;
  EXPECT_EQ(errc_of(post({{"Expect", "100-continue"}, {"Expect", "x"}})), Errc::kExpectationFailed);
  EXPECT_EQ(errc_of(post({{"Expect", "x"}})), Errc::kExpectationFailed);
  // Broken framing outweighs it.
  EXPECT_EQ(errc_of(post({{"Expect", "x"}, {"Content-Length", "x"}})), Errc::kBadContentLength);
}

TEST(Gate, TellsWhetherTheConnectionLives) {
  EXPECT_TRUE(post({}).verdict.value().keep_alive);
  EXPECT_FALSE(post({{"Connection", "x, Close"}}).verdict.value().keep_alive);
  EXPECT_FALSE(post({}, Version::kHttp10).verdict.value().keep_alive);
  EXPECT_TRUE(post({{"Connection", "Keep-Alive"}}, Version::kHttp10).verdict.value().keep_alive);
}

std::string upgrade_of(const Pairs& pairs, std::string_view method = "GET",
                       Version version = Version::kHttp11) {
  Pairs all{{"Host", kHost}};
  all.insert(all.end(), pairs.begin(), pairs.end());
  const Judged got = judge({.method_text = method, .target = "/", .version = version}, all);
  EXPECT_TRUE(got.verdict);
  return std::string(got.head.upgrade);
}

TEST(Gate, AnUpgradeNeedsBothFieldsAndHttp11) {
  const Pairs both{{"Connection", "keep-alive, Upgrade"}, {"Upgrade", "websocket"}};
  EXPECT_EQ(upgrade_of(both), "websocket");
  EXPECT_EQ(upgrade_of(both, "GET", Version::kHttp10), "");
  EXPECT_EQ(upgrade_of({{"Upgrade", "websocket"}}), "");
  EXPECT_EQ(upgrade_of({{"Connection", "upgrade"}}), "");
}

TEST(Gate, AnUpgradeIsToOneProtocolWithoutABody) {
  const auto to = [](std::string protocol) {
    return Pairs{{"Connection", "upgrade"}, {"Upgrade", std::move(protocol)}};
  };
  EXPECT_EQ(upgrade_of(to("SPDY/3.1"), "POST"), "SPDY/3.1");
  EXPECT_EQ(upgrade_of(to("websocket"), "POST"), "");
  for (const char* other : {"h2c", "H2C", "HTTP/2.0", "TLS/1.3", "websocket, h2c", "a b", ""})
    EXPECT_EQ(upgrade_of(to(other)), "") << other;
  Pairs with_body = to("websocket");
  with_body.emplace_back("Content-Length", "1");
  EXPECT_EQ(upgrade_of(with_body), "");
  Pairs twice = to("websocket");
  twice.emplace_back("Upgrade", "other");
  EXPECT_EQ(upgrade_of(twice), "");
}

TEST(Gate, AnExtendedConnectIsTheGetThatItStandsFor) {
  const RawRequest raw{.method_text = "CONNECT",
                       .target = "/chat?room=1",
                       .version = Version::kHttp2,
                       .authority = "a.example",
                       .protocol = "websocket"};
  const Judged got = judge(raw, {});
  ASSERT_TRUE(got.verdict);
  EXPECT_EQ(got.head.method, Method::kGet);
  EXPECT_EQ(got.head.method_text, "GET");
  EXPECT_EQ(got.head.path, "/chat");
  EXPECT_EQ(got.head.upgrade, "websocket");
  EXPECT_TRUE(got.head.body.is_none());
  RawRequest get = raw;
  get.method_text = "GET";
  EXPECT_EQ(errc_of(judge(get, {})), Errc::kBadMethod);
}

TEST(Gate, TheFieldLimitsAreExact) {
  const HeadLimits limits{.fields_max = 3};
  EXPECT_TRUE(post({{"A", "1"}, {"B", "2"}}, Version::kHttp11, limits).verdict);
  EXPECT_EQ(errc_of(post({{"A", "1"}, {"B", "2"}, {"C", "3"}}, Version::kHttp11, limits)),
            Errc::kTooManyFields);
  EXPECT_TRUE(post({{"Connection", "a,b,c"}}, Version::kHttp11, limits).verdict);
  EXPECT_EQ(errc_of(post({{"Connection", "a,b,c,d"}}, Version::kHttp11, limits)), Errc::kBadField);
}

TEST(Gate, TheHeadLimitCountsHttp2FieldsWithTheirOverhead) {
  const Pairs fields{{"a", "0123456789"}, {"b", "0123456789"}};  // 2 * (1 + 10 + 32)
  const RawRequest get{.method_text = "GET",
                       .target = "/",
                       .version = Version::kHttp2,
                       .authority = "h",
                       .end_stream = true};
  EXPECT_TRUE(judge(get, fields, {.head_bytes_max = 86}).verdict);
  EXPECT_EQ(errc_of(judge(get, fields, {.head_bytes_max = 85})), Errc::kHeadTooLarge);
}

Judged http2(const Pairs& fields, std::string_view target = "/", std::string_view authority = "h",
             bool end_stream = false, std::string_view method = "POST") {
  return judge({.method_text = method,
                .target = target,
                .version = Version::kHttp2,
                .https = true,
                .authority = authority,
                .end_stream = end_stream},
               fields);
}

TEST(Gate, Http2BodiesHaveTheLengthTheySayOrEndWhenTheyEnd) {
  EXPECT_EQ(http2({}).head.body.kind, BodyLength::Kind::kUnknown);
  EXPECT_TRUE(http2({}, "/", "h", true).head.body.is_none());
  EXPECT_EQ(http2({{"content-length", "7"}}).head.body.bytes, 7U);
  EXPECT_EQ(errc_of(http2({{"content-length", "7"}}, "/", "h", true)), Errc::kBadContentLength);
  EXPECT_EQ(errc_of(http2({{"content-length", "0"}}, "/", "h", true)), Errc::kCount_);
  EXPECT_EQ(errc_of(http2({{"content-length", "7"}, {"content-length", "7"}})),
            Errc::kBadContentLength);
}

TEST(Gate, Http2HasItsOwnFieldRules) {
  for (const Pairs& bad : std::vector<Pairs>{{{"connection", "x"}},
                                             {{"transfer-encoding", "chunked"}},
                                             {{"keep-alive", "x"}},
                                             {{"proxy-connection", "x"}},
                                             {{"upgrade", "x"}},
                                             {{"te", "gzip"}},
                                             {{"TE", "trailers"}},
                                             {{"Accept", "x"}},
                                             {{"x-A", "x"}}})
    EXPECT_EQ(errc_of(http2(bad)), Errc::kBadField) << testing::PrintToString(bad);
  EXPECT_EQ(errc_of(http2({{"te", "trailers"}, {"accept", "x"}})), Errc::kCount_);
}

TEST(Gate, Http2AuthorityAndPath) {
  EXPECT_EQ(http2({{"host", "H"}}).head.authority, "h");
  EXPECT_EQ(http2({{"host", "g"}}, "/", "").head.authority, "g");
  EXPECT_EQ(errc_of(http2({{"host", "g"}})), Errc::kBadHost);
  EXPECT_EQ(errc_of(http2({}, "/", "")), Errc::kBadHost);
  EXPECT_EQ(errc_of(http2({}, "/", "a,b")), Errc::kBadHost);
  EXPECT_EQ(errc_of(http2({}, "/", "u@b")), Errc::kBadHost);
  for (const std::string_view bad : {"", "x", "/ ", "/#", "http://h/"})
    EXPECT_EQ(errc_of(http2({}, bad)), Errc::kBadTarget) << bad;
  const Judged connect = http2({}, "", "h:443", false, "CONNECT");
  EXPECT_EQ(errc_of(connect), Errc::kCount_);
  EXPECT_EQ(connect.head.authority, "h:443");
  EXPECT_EQ(errc_of(http2({}, "/", "h:443", false, "CONNECT")), Errc::kBadTarget);
}

struct ResponseCase {
  int status;
  Method method;
  Version version;
  Pairs fields;
  std::optional<BodyLength> length;  ///< nullopt: kUpstreamBadMessage
};

TEST(GateResponse, KnowsTheLengthOrRefuses) {
  using enum Method;
  using enum Version;
  const std::string_view te = "Transfer-Encoding";
  const std::string_view cl = "Content-Length";
  const auto known = BodyLength::known;
  const std::vector<ResponseCase> cases{
      {200, kGet, kHttp11, {{cl, "5"}}, known(5)},
      {200, kGet, kHttp10, {{cl, "5"}}, known(5)},
      {200, kGet, kHttp11, {{cl, "5"}, {cl, "5"}}, known(5)},
      {200, kGet, kHttp11, {{cl, "5, 5"}, {cl, "05"}}, known(5)},
      {200, kGet, kHttp11, {{te, "Chunked"}}, BodyLength::unknown()},
      {200, kGet, kHttp11, {}, BodyLength::until_close()},
      {200, kGet, kHttp10, {}, BodyLength::until_close()},
      {599, kOther, kHttp11, {}, BodyLength::until_close()},
      {200, kHead, kHttp11, {{cl, "5"}}, BodyLength::none()},
      {200, kHead, kHttp11, {{te, "chunked"}}, BodyLength::none()},
      {200, kHead, kHttp11, {}, BodyLength::none()},
      {204, kGet, kHttp11, {{cl, "5"}}, BodyLength::none()},
      {304, kGet, kHttp11, {{cl, "5"}}, BodyLength::none()},
      {100, kPost, kHttp11, {}, BodyLength::none()},
      {101, kGet, kHttp11, {}, BodyLength::none()},
      {200, kConnect, kHttp11, {{cl, "5"}}, BodyLength::none()},
      {403, kConnect, kHttp11, {{cl, "5"}}, known(5)},
      {200, kGet, kHttp11, {{cl, "5"}, {te, "chunked"}}, {}},
      {200, kHead, kHttp11, {{cl, "5"}, {te, "chunked"}}, {}},
      {304, kGet, kHttp11, {{cl, "5"}, {cl, "6"}}, {}},
      {200, kGet, kHttp11, {{cl, "5"}, {cl, "6"}}, {}},
      {200, kGet, kHttp11, {{cl, "5, 6"}}, {}},
      {200, kGet, kHttp11, {{cl, "5,"}}, {}},
      {200, kGet, kHttp11, {{cl, ""}}, {}},
      {200, kGet, kHttp11, {{cl, "+5"}}, {}},
      {200, kGet, kHttp11, {{cl, "9223372036854775808"}}, {}},
      {200, kGet, kHttp11, {{te, "chunked"}, {te, "chunked"}}, {}},
      {200, kGet, kHttp11, {{te, "gzip, chunked"}}, {}},
      {200, kGet, kHttp11, {{te, "identity"}}, {}},
      {200, kGet, kHttp11, {{te, ""}}, {}},
      {200, kGet, kHttp10, {{te, "chunked"}}, {}},
      {200, kGet, kHttp11, {{"A", "x\ny"}, {cl, "5"}}, {}},
      {200, kGet, kHttp11, {{"A\r", "x"}, {cl, "5"}}, {}},
      {200, kGet, kHttp11, {{"A b", "x"}, {cl, "5"}}, {}},
      {99, kGet, kHttp11, {{cl, "5"}}, {}},
      {0, kGet, kHttp11, {{cl, "5"}}, {}},
      {1000, kGet, kHttp11, {{cl, "5"}}, {}},
  };
  for (const ResponseCase& one : cases) {
    Fields fields;
    fill(fields, one.fields);
    const auto got = judge_response(one.status, one.method, one.version, fields);
    const std::string what = std::to_string(one.status) + " " + testing::PrintToString(one.fields);
    ASSERT_EQ(got.has_value(), one.length.has_value()) << what;
    if (!got) {
      EXPECT_EQ(got.error().errc, Errc::kUpstreamBadMessage) << what;
      continue;
    }
    EXPECT_EQ(got->kind, one.length->kind) << what;
    EXPECT_EQ(got->bytes, one.length->bytes) << what;
  }
}

TEST(GateResponse, DeclaresWhatAGetWouldHaveHad) {
  Fields fields;
  EXPECT_EQ(declared_length(Version::kHttp11, fields)->kind, BodyLength::Kind::kUntilClose);
  fields.add(FieldId::kContentLength, "12");
  EXPECT_EQ(declared_length(Version::kHttp11, fields)->bytes, 12U);
}

TEST(GateResponse, TheFieldLimitsAreExact) {
  Fields fields;
  fields.add("A", "1");
  fields.add("Connection", "a,b");
  EXPECT_TRUE(judge_response(200, Method::kGet, Version::kHttp11, fields, {.fields_max = 2}));
  fields.add("Connection", "c");
  EXPECT_EQ(
      judge_response(200, Method::kGet, Version::kHttp11, fields, {.fields_max = 2}).error().errc,
      Errc::kUpstreamHeadTooLarge);
  EXPECT_TRUE(judge_response(200, Method::kGet, Version::kHttp11, fields, {.fields_max = 3}));
  fields.set(FieldId::kConnection, "a,b,c,d");
  EXPECT_EQ(
      judge_response(200, Method::kGet, Version::kHttp11, fields, {.fields_max = 3}).error().errc,
      Errc::kUpstreamBadMessage);
}

TEST(GateTrailer, OnlyFieldsThatMayComeLate) {
  for (const std::string_view late :
       {"Grpc-Status", "grpc-message", "Server-Timing", "ETag", "Digest"})
    EXPECT_TRUE(is_allowed_trailer({late, "x", field_id(late)})) << late;
  for (const std::string_view early : {"Transfer-Encoding",
                                       "Content-Length",
                                       "Host",
                                       "Connection",
                                       "Authorization",
                                       "Cookie",
                                       "Set-Cookie",
                                       "X-Forwarded-For",
                                       "X-Forwarded-Port",
                                       "X-Real-IP",
                                       "Forwarded",
                                       "Content-Range",
                                       "Content-Type",
                                       "TE",
                                       "Trailer",
                                       "Expect",
                                       "Upgrade",
                                       "Proxy-Authorization",
                                       "Transfer_Encoding",
                                       "Cache-Control",
                                       "X-Request-Id"})
    EXPECT_FALSE(is_allowed_trailer({early, "x", field_id(early)})) << early;
}

}  // namespace
}  // namespace millrace::http
