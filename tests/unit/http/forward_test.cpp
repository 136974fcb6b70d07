#include "http/forward.hpp"

#include "http/ascii.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Fields make(const Pairs& pairs) {
  Fields fields;
  for (const auto& [name, value] : pairs) fields.add_copy(name, value);
  return fields;
}

Pairs flat(const Fields& fields) {
  Pairs out;
  for (const Field& field : fields) out.emplace_back(field.name, field.value);
  return out;
}

const Hop kPlain{
    .peer = "203.0.113.7", .authority = "example.com", .https = false, .trusted = false};

/// What is left of `pairs`, without what kPlain makes us add.
Pairs left_of_request(const Pairs& pairs, bool trusted = false) {
  const Fields from = make(pairs);
  Fields to;
  Hop hop = kPlain;
  hop.trusted = trusted;
  forward_request(from, hop, to);
  for (const FieldId ours : {FieldId::kXForwardedFor, FieldId::kXForwardedProto,
                             FieldId::kXForwardedHost, FieldId::kForwarded}) {
    EXPECT_EQ(to.count(ours), 1U) << field_name(ours);
    to.remove(ours);
  }
  return flat(to);
}

Pairs left_of_response(const Pairs& pairs) {
  const Fields from = make(pairs);
  Fields to;
  forward_response(from, to);
  return flat(to);
}

TEST(Forward, HopByHopFieldsAreLeftBehindBothWays) {
  const Pairs hop{{"Connection", "keep-alive"},
                  {"keep-alive", "timeout=5"},
                  {"Proxy-Connection", "keep-alive"},
                  {"TE", "gzip"},
                  {"Trailer", "X"},
                  {"Transfer-Encoding", "chunked"},
                  {"Upgrade", "h2c"},
                  {"HTTP2-Settings", "AAMAAABkAAQAAP__"},
                  {"Proxy-Authenticate", "Basic"},
                  {"Proxy-Authorization", "Basic eA=="},
                  {"Proxy-Authentication-Info", "x"},
                  {"Content-Length", "5"}};
  Pairs all = hop;
  all.insert(all.begin() + 3, {"Accept", "a"});
  all.emplace_back("X-A", "1");
  all.emplace_back("x-a", "2");
  const Pairs rest{{"Accept", "a"}, {"X-A", "1"}, {"x-a", "2"}};
  EXPECT_EQ(left_of_request(all), rest);
  EXPECT_EQ(left_of_response(all), rest);
}

TEST(Forward, ARequestLosesHostExpectAndProxy) {
  EXPECT_EQ(left_of_request(
                {{"Host", "a"}, {"Expect", "100-continue"}, {"PROXY", "http://evil/"}, {"B", "1"}}),
            (Pairs{{"B", "1"}}));
}

TEST(Forward, NominatedFieldsAreStripped) {
  const Pairs pairs{{"Connection", "close, X-Hop"},
                    {"Connection", "x-other ,"},
                    {"x-hop", "1"},
                    {"X-Other", "2"},
                    {"X-Kept", "3"},
                    {"Close", "4"}};
  const Pairs rest{{"X-Kept", "3"}, {"Close", "4"}};
  EXPECT_EQ(left_of_request(pairs), rest);
  EXPECT_EQ(left_of_response(pairs), rest);
}

TEST(Forward, NominationsCannotStripEndToEndFields) {
  const Pairs kept{{"Cookie", "c"},        {"Authorization", "a"},
                   {"Content-Type", "t"},  {"Content-Range", "r"},
                   {"Set-Cookie", "s"},    {"Cache-Control", "no-store"},
                   {"X-Request-Id", "i"},  {"Range", "bytes=0-"},
                   {"If-None-Match", "e"}, {"Sec-WebSocket-Key", "k"},
                   {"Accept", "a"},        {"Via", "v"}};
  std::string all = "Host, Content-Length, X-Forwarded-For, X-Forwarded-Port, X-Real-IP";
  for (const auto& [name, value] : kept) all += ", " + name;
  Pairs pairs{{"Connection", all}};
  pairs.insert(pairs.end(), kept.begin(), kept.end());
  EXPECT_EQ(left_of_request(pairs), kept);
  EXPECT_EQ(left_of_response(pairs), kept);

  pairs.emplace_back("X-Forwarded-Port", "443");
  pairs.emplace_back("X-Real-IP", "192.0.2.1");
  Pairs trusted = kept;
  trusted.emplace_back("X-Forwarded-Port", "443");
  trusted.emplace_back("X-Real-IP", "192.0.2.1");
  EXPECT_EQ(left_of_request(pairs, true), trusted);
}

TEST(Forward, TeTrailersIsGenerated) {
  EXPECT_EQ(left_of_request({{"TE", "gzip, Trailers"}}), (Pairs{{"TE", "trailers"}}));
  EXPECT_EQ(left_of_request({{"TE", "trailers"}, {"TE", "trailers"}, {"Connection", "TE"}}),
            (Pairs{{"TE", "trailers"}}));
  EXPECT_EQ(left_of_request({{"TE", "trailersx"}}), Pairs{});
  EXPECT_EQ(left_of_response({{"TE", "trailers"}}), Pairs{});
}

TEST(Forward, ClaimsOfUntrustedPeersAreLeftBehind) {
  const Pairs claims{
      {"X-Forwarded-Port", "1"}, {"x-forwarded-prefix", "/x"}, {"X-Real-IP", "127.0.0.1"}};
  EXPECT_EQ(left_of_request(claims), Pairs{});
  EXPECT_EQ(left_of_request(claims, true), claims);
}

struct ForwardedCase {
  Hop hop;
  Pairs from;
  Pairs generated;
};

TEST(Forward, TellsTheNextHopWhoAsked) {
  const std::vector<ForwardedCase> cases{
      {kPlain,
       {},
       {{"X-Forwarded-For", "203.0.113.7"},
        {"X-Forwarded-Proto", "http"},
        {"X-Forwarded-Host", "example.com"},
        {"Forwarded", "for=203.0.113.7;host=example.com;proto=http"}}},
      // Spoofed: overwritten.
      {kPlain,
       {{"X-Forwarded-For", "1.1.1.1"},
        {"x-forwarded-for", "2.2.2.2"},
        {"X-Forwarded-Proto", "https"},
        {"X-Forwarded-Host", "evil"},
        {"Forwarded", "for=1.1.1.1"}},
       {{"X-Forwarded-For", "203.0.113.7"},
        {"X-Forwarded-Proto", "http"},
        {"X-Forwarded-Host", "example.com"},
        {"Forwarded", "for=203.0.113.7;host=example.com;proto=http"}}},
      // IPv6 and a port need quotes.
      {{.peer = "2001:db8::1", .authority = "[::1]:8443", .https = true},
       {},
       {{"X-Forwarded-For", "2001:db8::1"},
        {"X-Forwarded-Proto", "https"},
        {"X-Forwarded-Host", "[::1]:8443"},
        {"Forwarded", "for=\"[2001:db8::1]\";host=\"[::1]:8443\";proto=https"}}},
      // A unix socket, and HTTP/1.0 without Host.
      {{.peer = "", .authority = "", .https = false},
       {{"X-Forwarded-For", "1.1.1.1"}},
       {{"X-Forwarded-Proto", "http"}, {"Forwarded", "for=unknown;proto=http"}}},
      // A trusted proxy: believed and appended to, in one field each.
      {{.peer = "10.0.0.1", .authority = "inner", .https = false, .trusted = true},
       {{"X-Forwarded-For", "1.1.1.1, 2.2.2.2"},
        {"x-forwarded-for", "3.3.3.3"},
        {"X-Forwarded-Proto", "https"},
        {"X-Forwarded-Host", "outer"},
        {"Forwarded", "for=1.1.1.1;proto=https"}},
       {{"X-Forwarded-For", "1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.1"},
        {"X-Forwarded-Proto", "https"},
        {"X-Forwarded-Host", "outer"},
        {"Forwarded", "for=1.1.1.1;proto=https, for=10.0.0.1;host=inner;proto=http"}}},
      {{.peer = "10.0.0.1", .authority = "inner", .https = true, .trusted = true},
       {},
       {{"X-Forwarded-For", "10.0.0.1"},
        {"X-Forwarded-Proto", "https"},
        {"X-Forwarded-Host", "inner"},
        {"Forwarded", "for=10.0.0.1;host=inner;proto=https"}}},
      {{.peer = "", .authority = "a", .https = false, .trusted = true},
       {{"X-Forwarded-For", "1.1.1.1"}},
       {{"X-Forwarded-For", "1.1.1.1"},
        {"X-Forwarded-Proto", "http"},
        {"X-Forwarded-Host", "a"},
        {"Forwarded", "for=unknown;host=a;proto=http"}}},
  };
  for (const ForwardedCase& one : cases) {
    const Fields from = make(one.from);
    Fields to;
    forward_request(from, one.hop, to);
    EXPECT_EQ(flat(to), one.generated) << testing::PrintToString(one.from);
  }
}

TEST(Forward, ViaIsAppended) {
  Fields fields;
  fields.add(FieldId::kVia, "1.0 other");
  add_via(Version::kHttp10, "millrace", fields);
  add_via(Version::kHttp11, "millrace", fields);
  add_via(Version::kHttp2, "millrace", fields);
  EXPECT_EQ(flat(fields), (Pairs{{"Via", "1.0 other"},
                                 {"Via", "1.0 millrace"},
                                 {"Via", "1.1 millrace"},
                                 {"Via", "2.0 millrace"}}));
}

TEST(Forward, TheClientsSubjectIsOursToTell) {
  const auto told = [](const Pairs& said, std::string_view subject, bool trusted) {
    const Fields from = make(said);
    Hop hop = kPlain;
    hop.trusted = trusted;
    hop.client_subject = subject;
    Fields to;
    forward_request(from, hop, to);
    std::vector<std::string> values;
    for (const Field& field : to)
      if (iequals(field.name, "X-Forwarded-Client-Subject")) values.emplace_back(field.value);
    return values;
  };
  using Values = std::vector<std::string>;
  const Pairs claim{{"x-forwarded-client-subject", "CN=root"}};
  EXPECT_EQ(told({}, "CN=Ann", false), Values{"CN=Ann"});
  EXPECT_EQ(told(claim, "CN=Ann", false), Values{"CN=Ann"});
  EXPECT_EQ(told(claim, "", false), Values{});
  EXPECT_EQ(told(claim, "CN=proxy", true), Values{"CN=root"});
  EXPECT_EQ(told({}, "CN=proxy", true), Values{"CN=proxy"});
}

Pairs left_of_egress(const Pairs& pairs) {
  const Fields from = make(pairs);
  Fields to;
  forward_egress(from, to);
  return flat(to);
}

TEST(ForwardEgress, NothingIsToldThatTheClientHasNotSaid) {
  const Pairs said{{"Accept", "*/*"},
                   {"X-Forwarded-For", "192.0.2.1"},
                   {"X-Forwarded-Proto", "https"},
                   {"Forwarded", "for=192.0.2.1"},
                   {"X-Real-IP", "192.0.2.1"},
                   {"Authorization", "Bearer x"},
                   {"Cookie", "a=b"},
                   {"X-Request-Id", "mine"},
                   {"Via", "1.0 before"}};
  EXPECT_EQ(left_of_egress(said), said);
  EXPECT_EQ(left_of_egress({}), Pairs());
}

TEST(ForwardEgress, WhatIsForTheProxyStaysHere) {
  EXPECT_EQ(left_of_egress({{"Host", "a"},
                            {"Expect", "100-continue"},
                            {"Connection", "close, X-Hop"},
                            {"X-Hop", "1"},
                            {"Keep-Alive", "timeout=5"},
                            {"Proxy-Connection", "keep-alive"},
                            {"Proxy-Authorization", "Basic x"},
                            {"Proxy-Anything", "1"},
                            {"proxy", "http://evil"},
                            {"TE", "trailers, gzip"},
                            {"Trailer", "X"},
                            {"Transfer-Encoding", "chunked"},
                            {"Content-Length", "1"},
                            {"Upgrade", "h2c"},
                            {"HTTP2-Settings", "x"},
                            {"X-Kept", "1"}}),
            (Pairs{{"X-Kept", "1"}, {"TE", "trailers"}}));
}

}  // namespace
}  // namespace millrace::http
