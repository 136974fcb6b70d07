// What every endpoint does alike. A new one is a row in kCases and passes all of this.

#include "unit/endpoints/endpoint_fixture.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace millrace::endpoints::test {

std::string read_image(const std::string& name) {
  std::ifstream file(std::string(MILLRACE_TEST_IMAGES) + "/" + name, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  EXPECT_FALSE(bytes.empty()) << name;
  return bytes;
}

namespace {

constexpr std::string_view kUrl = "http://inputs.test/x";

enum class Input : std::uint8_t { kNone, kAny, kText, kImage };

struct Case {
  std::string_view name;
  std::string_view endpoint;
  std::string_view target;      ///< a request that is answered with 200
  std::string_view route_path;  ///< as the router would have it
  Method method;
  Input input;
  std::string_view allow;
  /// What caps the size of the input, and by which key; such a case takes `?url=`, too.
  std::uint64_t EndpointContext::* cap = nullptr;
  std::string_view cap_key = {};
};

constexpr std::uint64_t EndpointContext::* kImageCap = &EndpointContext::image_body_bytes_max;
constexpr std::uint64_t EndpointContext::* kComputeCap = &EndpointContext::compute_body_bytes_max;
constexpr std::string_view kGet = "GET, HEAD, OPTIONS";
constexpr std::string_view kInputAllow = "GET, HEAD, POST, PUT, OPTIONS";
constexpr std::string_view kEchoAllow = "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS";

const Case kCases[] = {
    {"echo", "tools", "/echo", "/echo", Method::kPost, Input::kAny, kEchoAllow},
    {"delay", "tools", "/delay?ms=1", "/delay", Method::kGet, Input::kNone,
     "GET, HEAD, POST, OPTIONS"},
    {"bytes", "tools", "/bytes?n=100000", "/bytes", Method::kGet, Input::kNone, kGet},
    {"stream", "tools", "/stream?lines=3&interval_ms=1", "/stream", Method::kGet, Input::kNone,
     kGet},
    {"health", "health", "/healthz", "", Method::kGet, Input::kNone, kGet},
    {"sqrt_sum", "compute", "/c/sqrt-sum?n=1000", "/sqrt-sum", Method::kGet, Input::kNone, kGet},
    {"wordcount", "compute", "/c/wordcount", "/wordcount", Method::kPost, Input::kText, kInputAllow,
     kComputeCap, "compute.body_max"},
    {"wordcount_top", "compute", "/c/wordcount?top=3", "/wordcount", Method::kPost, Input::kText,
     kInputAllow, kComputeCap, "compute.body_max"},
    {"info", "image", "/i/info", "/info", Method::kPost, Input::kImage, kInputAllow, kImageCap,
     "image.body_max"},
    {"grayscale", "image", "/i/grayscale", "/grayscale", Method::kPost, Input::kImage, kInputAllow,
     kImageCap, "image.body_max"},
    {"all_index", "all", "/", "/", Method::kGet, Input::kNone, kGet},
    {"all_echo", "all", "/echo", "/echo", Method::kPost, Input::kAny, kEchoAllow},
    {"all_health", "all", "/health", "/health", Method::kGet, Input::kNone, kGet},
    {"all_wordcount", "all", "/v1/compute/wordcount", "/v1/compute/wordcount", Method::kPost,
     Input::kText, kInputAllow, kComputeCap, "compute.body_max"},
    {"all_image", "all", "/v1/image/info", "/v1/image/info", Method::kPost, Input::kImage,
     kInputAllow, kImageCap, "image.body_max"},
};

class Conformance : public testing::TestWithParam<Case> {
 protected:
  static std::string input() {
    switch (GetParam().input) {
      case Input::kNone:
        return {};
      case Input::kAny:
        return std::string("any\0bytes", 9);
      case Input::kText:
        return "so it goes\nand so on\n";
      case Input::kImage:
        return read_image("raccoon.jpg");
    }
    return {};
  }
  /// The good request of this case.
  static MemoryRequest good() {
    const Case& c = GetParam();
    MemoryRequest r{.method = c.method, .target = std::string(c.target)};
    r.route_path = c.route_path;
    // "" is what an exact pattern leaves; the exchange takes it for "the path".
    if (c.route_path.empty()) r.route_path = "/";
    r.no_body = c.input == Input::kNone;
    if (!r.no_body) r.body = {input()};
    return r;
  }
  static MemoryRequest by_url(Method method) {
    MemoryRequest r = good();
    r.method = method;
    r.body.clear();
    r.no_body = true;
    r.target += r.target.contains('?') ? '&' : '?';
    r.target.append("url=").append(kUrl);
    return r;
  }
  [[nodiscard]] Answered answer(MemoryRequest request) {
    return ask(endpoints_.context, GetParam().endpoint, std::move(request));
  }

  Endpoints endpoints_;
};

/// Cases that take a body.
class WithBody : public Conformance {};
/// Cases that work on a body of limited size, or on what a URL points at.
class WithInput : public Conformance {};
/// Cases with something to GET.
class WithGet : public Conformance {};

TEST_P(Conformance, AGoodRequestIsAnswered) {
  const Answered a = answer(good());
  ASSERT_EQ(a.errc(), Errc::kCount_) << a->detail;
  EXPECT_EQ(a->status(), 200);
  EXPECT_TRUE(a->finished());
  EXPECT_FALSE(a->body().empty());
  EXPECT_NE(a->field("Content-Type"), "");
}

TEST_P(WithBody, ABodyInPiecesIsTheSameBody) {
  MemoryRequest request = good();
  const std::string whole = request.body.front();
  request.body = {whole.substr(0, 1), whole.substr(1, 7), whole.substr(8)};
  request.chunked = true;
  const Answered a = answer(std::move(request));
  ASSERT_EQ(a.errc(), Errc::kCount_) << a->detail;
  EXPECT_EQ(a->body(), answer(good())->body());
}

TEST_P(WithGet, HeadIsGetWithoutTheBody) {
  const Case& c = GetParam();
  endpoints_.inputs.texts.emplace(kUrl, input());
  MemoryRequest get = c.cap != nullptr ? by_url(Method::kGet) : good();
  MemoryRequest head = get;
  head.method = Method::kHead;
  const Answered full = answer(std::move(get));
  const Answered bare = answer(std::move(head));
  ASSERT_EQ(bare.errc(), Errc::kCount_) << bare->detail;
  EXPECT_EQ(bare->status(), full->status());
  EXPECT_EQ(bare->field("Content-Type"), full->field("Content-Type"));
  EXPECT_EQ(bare->sent_length().kind, full->sent_length().kind);
  EXPECT_EQ(bare->sent_length().bytes, full->sent_length().bytes);
  EXPECT_TRUE(bare->finished());
  EXPECT_EQ(bare->body(), "");
}

TEST_P(Conformance, AnotherMethodIs405WithAllow) {
  MemoryRequest request = good();
  request.method = Method::kOther;
  const Answered a = answer(std::move(request));
  EXPECT_EQ(a->status(), 405);
  EXPECT_EQ(a->field("Allow"), GetParam().allow);
  EXPECT_EQ(a->field("Content-Type"), "application/problem+json");
  EXPECT_TRUE(a->body().contains("\"code\":\"method_not_allowed\"")) << a->body();
  EXPECT_EQ(a->cause, Errc::kMethodNotAllowed);
}

TEST_P(Conformance, OptionsIs204WithAllow) {
  MemoryRequest request = good();
  request.method = Method::kOptions;
  const Answered a = answer(std::move(request));
  EXPECT_EQ(a->status(), 204);
  EXPECT_EQ(a->field("Allow"), GetParam().allow);
  EXPECT_TRUE(a->finished());
}

TEST_P(Conformance, AnUnknownPathIs404) {
  MemoryRequest request = good();
  request.target = "/v1/image/frobnicate";
  request.route_path = "/frobnicate";
  const Answered a = answer(std::move(request));
  EXPECT_EQ(a.errc(), Errc::kNotFound);
  EXPECT_FALSE(a->started());
  EXPECT_NE(a->detail, "");
}

TEST_P(WithInput, ABodyOfTheLargestSizeIsTaken) {
  const Case& c = GetParam();
  for (const bool chunked : {false, true}) {
    MemoryRequest request = good();
    endpoints_.context.*c.cap = request.body.front().size();
    request.chunked = chunked;
    const Answered a = answer(std::move(request));
    EXPECT_EQ(a.errc(), Errc::kCount_) << a->detail;
  }
}

TEST_P(WithInput, ABodyOneByteLargerIsRefusedWithTheKeyToRaise) {
  const Case& c = GetParam();
  for (const bool chunked : {false, true}) {
    MemoryRequest request = good();
    endpoints_.context.*c.cap = request.body.front().size() - 1;
    request.chunked = chunked;
    const Answered a = answer(std::move(request));
    EXPECT_EQ(a.errc(), Errc::kBodyTooLarge);
    EXPECT_TRUE(a->detail.contains(c.cap_key)) << a->detail;
    EXPECT_FALSE(a->started());
    if (!chunked) EXPECT_EQ(a->pieces_read(), 0U) << "the head said it already";
  }
}

TEST_P(WithInput, AnInputByUrlHasTheSameLimit) {
  const Case& c = GetParam();
  endpoints_.inputs.texts.emplace(kUrl, input());
  endpoints_.context.*c.cap = input().size();
  EXPECT_EQ(answer(by_url(Method::kGet)).errc(), Errc::kCount_);
  EXPECT_EQ(answer(by_url(Method::kPost)).errc(), Errc::kCount_);
  endpoints_.context.*c.cap = input().size() - 1;
  const Answered a = answer(by_url(Method::kGet));
  EXPECT_EQ(a.errc(), Errc::kBodyTooLarge);
  EXPECT_TRUE(a->detail.contains(c.cap_key)) << a->detail;
  EXPECT_EQ(endpoints_.inputs.open_inputs, 0);
}

TEST_P(WithInput, AnInputByUrlGivesTheSameAnswer) {
  endpoints_.inputs.texts.emplace(kUrl, input());
  const Answered a = answer(by_url(Method::kGet));
  ASSERT_EQ(a.errc(), Errc::kCount_) << a->detail;
  EXPECT_EQ(a->body(), answer(good())->body());
  EXPECT_EQ(endpoints_.inputs.open_inputs, 0);
}

TEST_P(WithInput, NeitherABodyNorAUrlIsAnError) {
  MemoryRequest request = good();
  request.body.clear();
  request.no_body = true;
  const Answered a = answer(std::move(request));
  EXPECT_EQ(a.errc(), Errc::kEmptyBody);
  EXPECT_NE(a->detail, "");
}

TEST_P(WithInput, ABodyAndAUrlAreAnError) {
  MemoryRequest request = by_url(Method::kPost);
  request.no_body = false;
  request.body = {input()};
  EXPECT_EQ(answer(std::move(request)).errc(), Errc::kBadParameter);
}

TEST_P(WithInput, AUrlThatCannotBeFetchedIsTheFetchersError) {
  EXPECT_EQ(answer(by_url(Method::kGet)).errc(), Errc::kDnsNotFound);
  endpoints_.context.inputs = nullptr;
  EXPECT_EQ(answer(by_url(Method::kGet)).errc(), Errc::kUrlRefused);
}

TEST_P(WithBody, ABodyThatBreaksOffIsNeverACleanAnswer) {
  MemoryRequest request = good();
  request.body = {input().substr(0, 5)};
  request.announced = 1000;
  request.body_error = Errc::kBodyTruncated;
  const Answered a = answer(std::move(request));
  EXPECT_EQ(a.errc(), Errc::kBodyTruncated);
  EXPECT_FALSE(a->finished());
}

Task<void> leave_when_stalled(MemoryExchange& exchange) {
  if (co_await exchange.stalled().wait()) exchange.go_away();
}

TEST_P(WithBody, AClientThatLeavesInMidBodyEndsTheWork) {
  MemoryRequest request = good();
  // More than one chunk, so that work is under way, too.
  const std::string piece = input() + std::string(300'000, ' ');
  request.body = {piece, piece};
  request.chunked = true;
  request.body_stalls = true;
  const Answered a =
      ask(endpoints_.context, GetParam().endpoint, std::move(request), &leave_when_stalled);
  EXPECT_EQ(a.errc(), Errc::kClientGone);
  EXPECT_FALSE(a->finished());
  EXPECT_EQ(endpoints_.offload.stats().queued, 0U);
  EXPECT_EQ(endpoints_.offload.stats().running, 0U);
}

std::vector<Case> cases(bool (*wanted)(const Case&)) {
  std::vector<Case> out;
  std::ranges::copy_if(kCases, std::back_inserter(out), wanted);
  return out;
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  return std::string(info.param.name);
}

INSTANTIATE_TEST_SUITE_P(Endpoints, Conformance, testing::ValuesIn(kCases), name_of);
INSTANTIATE_TEST_SUITE_P(Endpoints, WithBody, testing::ValuesIn(cases([](const Case& c) {
                           return c.input != Input::kNone;
                         })),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Endpoints, WithInput,
                         testing::ValuesIn(cases([](const Case& c) { return c.cap != nullptr; })),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Endpoints, WithGet, testing::ValuesIn(cases([](const Case& c) {
                           return c.method == Method::kGet || c.cap != nullptr;
                         })),
                         name_of);

TEST(EndpointTable, NamesAreThoseOfTheContract) {
  std::vector<std::string_view> names;
  for (const EndpointEntry& entry : endpoint_table()) names.push_back(entry.name);
  for (const std::string_view name : {"image", "compute", "fetch", "tools", "health", "all"})
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
  Endpoints endpoints;
  EXPECT_EQ(make_endpoint("frobnicate", endpoints.context), nullptr);
}

}  // namespace
}  // namespace millrace::endpoints::test
