#include "admin/admin_handler.hpp"

#include "base/metrics.hpp"
#include "support/memory_exchange.hpp"
#include "support/on_io.hpp"

#include <tuple>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::admin {
namespace {

using http::Method;
using millrace::test::MemoryExchange;
using millrace::test::MemoryRequest;

class FakeSource final : public StatusSource {
 public:
  bool is_ready = true;
  bool is_draining = false;
  int drains = 0;

  ProcessStatus status() const override {
    return {.version = "1.2.3",
            .started = std::chrono::steady_clock::now() - std::chrono::seconds(90),
            .threads = 2,
            .listeners = {{.address = "127.0.0.1:8080"}, {.address = "[::1]:8443", .tls = true}},
            .admin = "127.0.0.1:9901",
            .offload = {.threads = 2, .queued = 3, .running = 1, .completed = 7, .refused = 5},
            .log_dropped = 11,
            .log_level = level,
            .configuration = {.source = "a.toml",
                              .generation = 3,
                              .in_use = 2,
                              .reloads = 2,
                              .reload_failures = 1,
                              .last_failure = "a.toml:1:1: error: no"}};
  }
  Task<ReloadOutcome> reload() override { co_return outcome; }
  std::string configuration() const override { return "[server]\n"; }
  void set_log_level(LogLevel to) override { level = to; }
  bool ready() const override { return is_ready; }
  bool draining() const override { return is_draining; }
  void drain() override { ++drains; }
  std::vector<QueueStatus> queues() const override {
    return {{.upstream = "api",
             .limit = 8,
             .in_flight = 8,
             .waiting = 3,
             .oldest = std::chrono::milliseconds(1250),
             .queued = 1'000'000}};
  }
  Task<DnsStatus> dns() override { co_return names; }
  std::vector<SupervisedStatus> processes() const override { return supervised; }
  bool restart_process(std::string_view name) override {
    restarted = name;
    return name == "ml";
  }
  Task<unsigned> flush_dns() override {
    names = {};
    co_return 2U;
  }
  std::vector<UpstreamStatus> upstreams() const override { return groups; }
  bool set_target_drained(std::string_view upstream, std::string_view target,
                          bool drained) override {
    changes.push_back(std::string(upstream) + " " + std::string(target) +
                      (drained ? " drain" : " enable"));
    return upstream == "api";
  }

  std::vector<UpstreamStatus> groups;
  std::vector<std::string> changes;

  DnsStatus names;
  ReloadOutcome outcome;
  LogLevel level = LogLevel::kInfo;
  std::vector<SupervisedStatus> supervised;
  std::string restarted;
};

struct Asked {
  std::unique_ptr<MemoryExchange> exchange;
  Result<void> outcome;
  MemoryExchange* operator->() const noexcept { return exchange.get(); }
};

class Admin : public testing::Test {
 protected:
  Asked ask(MemoryRequest request, std::string_view host = "localhost:9901") {
    request.no_body = request.body.empty();
    Asked out{std::make_unique<MemoryExchange>(std::move(request)), {}};
    out->mutable_head().authority = host;
    AdminHandler handler(source);
    IoThread io(0);
    millrace::test::on_io(
        io, [&]() -> Task<void> { out.outcome = co_await out.exchange->answer(handler); });
    return out;
  }
  Asked get(std::string target) { return ask({.target = std::move(target)}); }

  FakeSource source;
};

TEST_F(Admin, IsAliveAlsoWhenItIsNotReady) {
  source.is_ready = false;
  EXPECT_EQ(get("/livez")->status(), 200);
}

TEST_F(Admin, IsReadyUntilItDrains) {
  EXPECT_EQ(get("/readyz")->status(), 200);
  source.is_ready = false;
  EXPECT_EQ(get("/readyz")->body(), "not ready\n");
  source.is_draining = true;
  const Asked a = get("/readyz");
  EXPECT_EQ(a->status(), 503);
  EXPECT_EQ(a->body(), "draining\n");
}

TEST_F(Admin, DnsTellsWhatIsKnown) {
  source.names = {.threads = 2, .hits = 5, .cached = 2};
  source.names.entries = {{.thread = 1,
                           .name = "a.example",
                           .type = "A",
                           .records = {"192.0.2.1"},
                           .state = "stale",
                           .ttl = std::chrono::milliseconds(-1500),
                           .refreshing = true,
                           .hits = 4},
                          {.name = "b.example",
                           .type = "SRV",
                           .state = "negative",
                           .ttl = std::chrono::milliseconds(250),
                           .nxdomain = true}};
  const Asked a = get("/dns");
  EXPECT_EQ(a->status(), 200);
  EXPECT_EQ(a->field("Content-Type"), "application/json");
  const auto json = nlohmann::json::parse(a->body());
  EXPECT_EQ(json["threads"]["answered"], 2);
  EXPECT_EQ(json["lookups"]["hits"], 5);
  EXPECT_EQ(json["cached"], 2);
  EXPECT_EQ(json["entries"][0], nlohmann::json::parse(R"({"thread": 1, "name": "a.example",
      "type": "A", "state": "stale", "refreshing": true, "ttl_seconds": -1.5, "hits": 4,
      "records": ["192.0.2.1"]})"));
  EXPECT_EQ(json["entries"][1]["nxdomain"], true);
  EXPECT_EQ(json["entries"][1]["ttl_seconds"], 0.25);
}

TEST_F(Admin, ALongListOfNamesIsSentWhole) {
  source.names.entries.resize(DnsStatus::kEntriesMax);
  const Asked a = get("/dns");
  EXPECT_GT(a->body().size(), 65536U);
  EXPECT_EQ(nlohmann::json::parse(a->body())["entries"].size(), DnsStatus::kEntriesMax);
}

TEST_F(Admin, DnsIsFlushedByPost) {
  source.names.cached = 3;
  EXPECT_EQ(get("/dns/flush")->status(), 405);
  EXPECT_EQ(source.names.cached, 3U);
  const Asked a = ask({.method = Method::kPost, .target = "/dns/flush"});
  EXPECT_EQ(a->status(), 200);
  EXPECT_EQ(a->body(), "flushed on 2 threads\n");
  EXPECT_EQ(source.names.cached, 0U);
}

TEST_F(Admin, UpstreamsTellOfTheirTargets) {
  source.groups = {{.name = "api",
                    .breaker = "open",
                    .breaker_opened = 2,
                    .targets = {{.name = "unix:/a\"b",
                                 .state = "ejected",
                                 .reason = "failures in a row",
                                 .since = std::chrono::milliseconds(1500),
                                 .weight = 3,
                                 .in_flight = 1,
                                 .requests = 9,
                                 .failures = 5,
                                 .ejections = 1,
                                 .last_error = "connect_refused",
                                 .latency = std::chrono::microseconds(2500)}}}};
  const auto json = nlohmann::json::parse(get("/upstreams")->body());
  const auto& api = json["upstreams"][0];
  EXPECT_EQ(api["upstream"], "api");
  EXPECT_EQ(api["breaker"], "open");
  EXPECT_EQ(api["targets"][0], nlohmann::json::parse(R"({"target": "unix:/a\"b",
      "state": "ejected", "reason": "failures in a row", "since_seconds": 1.5, "weight": 3,
      "priority": 0, "in_flight": 1, "requests": 9, "failures": 5, "ejections": 1,
      "last_error": "connect_refused", "latency_seconds": 0.0025})"));
  const std::string metrics = get("/metrics")->body();
  EXPECT_NE(
      metrics.find("millrace_target_requests_total{upstream=\"api\",target=\"unix:/a\\\"b\"} 9\n"),
      std::string::npos);
  EXPECT_NE(metrics.find("millrace_target_healthy{upstream=\"api\",target=\"unix:/a\\\"b\"} 0\n"),
            std::string::npos);
  EXPECT_NE(metrics.find("millrace_upstream_breaker_opened_total{upstream=\"api\"} 2\n"),
            std::string::npos);
}

TEST_F(Admin, TargetsAreDrainedAndEnabledByPost) {
  const auto post = [this](std::string target) {
    return ask({.method = Method::kPost, .target = std::move(target)});
  };
  EXPECT_EQ(post("/upstreams/api/drain?target=%5B::1%5D:80")->body(), "draining\n");
  EXPECT_EQ(post("/upstreams/api/enable?target=unix%3A%2Fa")->body(), "enabled\n");
  EXPECT_EQ(source.changes, (std::vector<std::string>{"api [::1]:80 drain", "api unix:/a enable"}));
  EXPECT_EQ(get("/upstreams/api/drain?target=a")->status(), 405);
  EXPECT_EQ(post("/upstreams/api/drain").outcome, fail(Errc::kBadParameter));
  EXPECT_EQ(post("/upstreams/none/drain?target=a").outcome, fail(Errc::kNotFound));
  EXPECT_EQ(post("/upstreams/api/stop?target=a").outcome, fail(Errc::kNotFound));
  EXPECT_EQ(post("/upstreams/api").outcome, fail(Errc::kNotFound));
}

TEST_F(Admin, ProcessesTellsWhatIsSupervised) {
  source.supervised = {{.name = "ml",
                        .command = {"uvicorn", "app:app"},
                        .workers = 2,
                        .state = "serving",
                        .failures = 1,
                        .instances = {{.index = 1,
                                       .generation = 7,
                                       .pid = 42,
                                       .state = "draining",
                                       .cause = "rss",
                                       .address = "unix:/run/1.7",
                                       .age = std::chrono::milliseconds(1'500),
                                       .requests = 9}},
                        .exits = {{.index = 0,
                                   .generation = 3,
                                   .pid = 41,
                                   .reason = "killed by SIGKILL",
                                   .last_lines = {"not \xff UTF-8"}}}}};
  const auto json = nlohmann::json::parse(get("/processes")->body());
  const auto& ml = json["processes"][0];
  EXPECT_EQ(ml["name"], "ml");
  EXPECT_EQ(ml["state"], "serving");
  EXPECT_EQ(ml["instances"][0]["pid"], 42);
  EXPECT_EQ(ml["instances"][0]["cause"], "rss");
  EXPECT_EQ(ml["instances"][0]["age_seconds"], 1.5);
  EXPECT_EQ(ml["exits"][0]["reason"], "killed by SIGKILL");
}

TEST_F(Admin, AProcessIsRestartedByPost) {
  EXPECT_EQ(get("/processes/ml/restart")->status(), 405);
  EXPECT_EQ(source.restarted, "");
  EXPECT_EQ(ask({.method = Method::kPost, .target = "/processes/ml/restart"})->status(), 202);
  EXPECT_EQ(source.restarted, "ml");
  for (const char* path :
       {"/processes/other/restart", "/processes//restart", "/processes/a/b/restart"}) {
    const Asked a = ask({.method = Method::kPost, .target = path});
    EXPECT_FALSE(a.outcome) << path;
  }
  EXPECT_EQ(source.restarted, "other") << "the others are no names";
}

TEST_F(Admin, StatusTellsWhatRuns) {
  const Asked a = get("/status");
  EXPECT_EQ(a->status(), 200);
  EXPECT_EQ(a->field("Content-Type"), "application/json");
  const auto json = nlohmann::json::parse(a->body());
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_GE(json["uptime_seconds"], 90.0);
  EXPECT_EQ(json["threads"], 2);
  EXPECT_EQ(json["listeners"][0]["address"], "127.0.0.1:8080");
  EXPECT_EQ(json["listeners"][1]["tls"], true);
  EXPECT_EQ(json["admin"], "127.0.0.1:9901");
  EXPECT_EQ(json["draining"], false);
  EXPECT_EQ(json["offload"]["refused"], 5);
  EXPECT_EQ(json["log"]["dropped"], 11);
  EXPECT_EQ(json["log"]["level"], "info");
  EXPECT_EQ(json["configuration"]["generation"], 3);
  EXPECT_EQ(json["configuration"]["generations_in_use"], 2);
  EXPECT_EQ(json["configuration"]["last_failure"], "a.toml:1:1: error: no");
}

TEST_F(Admin, ReloadTellsTheGenerationAndWarnings) {
  source.outcome = {.generation = 7, .warnings = {{.message = "old", .text = "warning: old"}}};
  const Asked a = ask({.method = Method::kPost, .target = "/reload"});
  EXPECT_EQ(a->status(), 200);
  EXPECT_EQ(a->field("Content-Type"), "application/json");
  EXPECT_EQ(nlohmann::json::parse(a->body()), nlohmann::json::parse(R"({"generation": 7,
      "warnings": [{"message": "old", "text": "warning: old"}]})"));
}

TEST_F(Admin, ReloadTellsEveryError) {
  using Kind = ReloadOutcome::Kind;
  for (const auto& [kind, status, code] : {std::tuple(Kind::kInvalid, 422, "config_invalid"),
                                           std::tuple(Kind::kFailed, 422, "reload_failed"),
                                           std::tuple(Kind::kRefused, 409, "reload_refused")}) {
    source.outcome = {.kind = kind, .generation = 1, .errors = {}};
    source.outcome.errors.assign(2000, {.source = "a.toml",
                                        .line = 3,
                                        .column = 11,
                                        .message = std::string(100, 'x'),
                                        .text = "a.toml:3:11: error: \xff"});
    const Asked a = ask({.method = Method::kPost, .target = "/reload"});
    EXPECT_EQ(a->status(), status);
    EXPECT_EQ(a->field("Content-Type"), "application/problem+json");
    const auto json = nlohmann::json::parse(a->body());
    EXPECT_EQ(json["status"], status);
    EXPECT_EQ(json["code"], code);
    EXPECT_EQ(json["errors"].size(), 2000U) << "also beyond what fits into one answer";
    EXPECT_EQ(json["errors"][0]["line"], 3);
    EXPECT_EQ(json["errors"][0]["column"], 11);
  }
}

TEST_F(Admin, TheConfigurationIsToml) {
  const Asked a = get("/config");
  EXPECT_EQ(a->field("Content-Type"), "application/toml");
  EXPECT_EQ(a->body(), "[server]\n");
}

TEST_F(Admin, TheLogLevelComesInTheQueryOrTheBody) {
  EXPECT_EQ(ask({.method = Method::kPost, .target = "/log-level?level=debug"})->status(), 200);
  EXPECT_EQ(source.level, LogLevel::kDebug);
  EXPECT_EQ(ask({.method = Method::kPost, .target = "/log-level", .body = {"wa", "rn"}})->status(),
            200);
  EXPECT_EQ(source.level, LogLevel::kWarn);
  for (const char* bad : {"", "loud", "warning", "warnwarnwarnwarnwarn"})
    EXPECT_EQ(ask({.method = Method::kPost, .target = "/log-level?level=" + std::string(bad)})
                  .outcome.error()
                  .errc,
              Errc::kBadParameter)
        << bad;
  EXPECT_EQ(source.level, LogLevel::kWarn);
}

TEST_F(Admin, MetricsArePrometheusText) {
  const Asked a = get("/metrics");
  EXPECT_EQ(a->field("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const auto* line :
       {"\nmillrace_offload_queued 3\n", "\nmillrace_log_dropped_total 11\n",
        "\n# TYPE millrace_requests_total counter\n", "\nprocess_open_fds ",
        "\nprocess_resident_memory_bytes ", "\nprocess_start_time_seconds ",
        "\nmillrace_draining 0\n", "\n# TYPE millrace_upstream_queue_length gauge\n",
        "\nmillrace_upstream_queue_length{upstream=\"api\"} 3\n",
        "\nmillrace_upstream_queue_oldest_seconds{upstream=\"api\"} 1.25\n",
        "\nmillrace_upstream_queued_total{upstream=\"api\"} 1000000\n"})
    EXPECT_TRUE(a->body().contains(line)) << line;
}

TEST_F(Admin, DrainIsAPost) {
  const Asked refused = get("/drain");
  EXPECT_EQ(refused->status(), 405);
  EXPECT_EQ(refused->field("Allow"), "POST, OPTIONS");
  EXPECT_EQ(source.drains, 0);
  const Asked a = ask({.method = Method::kPost, .target = "/drain"});
  EXPECT_EQ(a->status(), 202);
  EXPECT_EQ(source.drains, 1);
}

TEST_F(Admin, ChecksPathsAndMethods) {
  const Asked unknown = get("/nothing");
  ASSERT_FALSE(unknown.outcome);
  EXPECT_EQ(unknown.outcome.error().errc, Errc::kNotFound);
  const Asked post = ask({.method = Method::kPost, .target = "/status"});
  EXPECT_EQ(post->status(), 405);
  EXPECT_EQ(post->field("Allow"), "GET, HEAD, OPTIONS");
  const Asked options = ask({.method = Method::kOptions, .target = "/status"});
  EXPECT_EQ(options->status(), 204);
  EXPECT_EQ(options->field("Allow"), "GET, HEAD, OPTIONS");
  const Asked head = ask({.method = Method::kHead, .target = "/status"});
  EXPECT_EQ(head->status(), 200);
  EXPECT_GT(head->sent_length().bytes, 0U);
  EXPECT_EQ(head->body(), "");
}

TEST_F(Admin, AnswersItsOwnHostNamesOnly) {
  for (const auto* host :
       {"localhost", "LOCALHOST:9901", "127.0.0.1:9901", "127.9.9.9", "[::1]:9901"})
    EXPECT_EQ(ask({.target = "/livez"}, host)->status(), 200) << host;
  for (const auto* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                           "10.0.0.1", "[::2]", "", "localhost:x"})
    EXPECT_EQ(ask({.target = "/livez"}, host)->status(), 421) << host;
}

TEST_F(Admin, TheBoundAddressIsAName) {
  PeerInfo peer{.address = "10.1.1.1", .local_address = "10.0.0.1"};
  EXPECT_TRUE(is_own_host("10.0.0.1:9901", peer));
  EXPECT_FALSE(is_own_host("10.0.0.2:9901", peer));
  peer.address = "unix";
  EXPECT_TRUE(is_own_host("whatever", peer));
}

TEST_F(Admin, RefusesPagesOfOtherOrigins) {
  const auto from = [this](std::string name, std::string value) {
    return ask({.method = Method::kPost,
                .target = "/drain",
                .fields = {{std::move(name), std::move(value)}}})
        ->status();
  };
  EXPECT_EQ(from("Origin", "http://evil.example"), 403);
  EXPECT_EQ(from("Origin", "http://localhost:8080"), 403) << "another port is another origin";
  EXPECT_EQ(from("Origin", "null"), 403);
  EXPECT_EQ(from("Origin", "file://"), 403);
  EXPECT_EQ(from("sec-fetch-site", "cross-site"), 403);
  EXPECT_EQ(from("sec-fetch-site", "same-site"), 403);
  EXPECT_EQ(source.drains, 0);
  EXPECT_EQ(from("Origin", "http://localhost:9901"), 202);
  EXPECT_EQ(from("sec-fetch-site", "none"), 202) << "typed into the address bar";
  EXPECT_EQ(source.drains, 2);
}

}  // namespace
}  // namespace millrace::admin
