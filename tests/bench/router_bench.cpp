// Which route a request takes, by the number of routes: `meson test --benchmark router`.
#include "millrace/exchange.hpp"
#include "server/router.hpp"

#include <string>

#include <benchmark/benchmark.h>

namespace millrace::server {
namespace {

class NoHandler final : public Handler {
 public:
  Task<Result<void>> handle(Exchange&) override { co_return Result<void>{}; }
};

class Asked final : public Exchange {
 public:
  explicit Asked(std::string_view path) : Exchange(head_, peer_) {
    head_.path = path;
    head_.authority = "tenant-17.example.com";
  }
  Task<Result<Bytes>> read_body() override { co_return Bytes{}; }
  void interim(int, const http::Fields&) override {}
  Task<Result<void>> write(Bytes) override { co_return Result<void>{}; }

 private:
  void write_head(const http::ResponseHead&) override {}
  Result<void> end_body(const http::Fields*) override { return {}; }
  void write_whole(const http::ResponseHead&, std::string_view) override {}

  http::RequestHead head_;
  PeerInfo peer_;
};

config::RouteMatch match(const std::string& path, const std::string& host = "*") {
  config::RouteMatch out;
  out.host = config::parse_host_pattern(host).value();
  out.path = config::parse_path_pattern(path).value();
  return out;
}

/// Services with three routes each, one of them with a parameter, and a rest.
void BM_RoutesByPath(benchmark::State& state) {
  NoHandler handler;
  Router router;
  const auto services = static_cast<std::size_t>(state.range(0)) / 3;
  for (std::size_t i = 0; i < services; ++i) {
    const std::string prefix = "/service-" + std::to_string(i);
    router.add(match(prefix + "/users/{id}/orders/{order}"), handler);
    router.add(match(prefix + "/users/me"), handler);
    router.add(match(prefix + "/*"), handler);
  }
  router.add(match("/*"), handler);
  const std::string path =
      "/service-" + std::to_string(services - 1) + "/users/4711/orders/2026-11";
  Asked exchange(path);
  for (auto _ : state) benchmark::DoNotOptimize(router.find(exchange));
}
BENCHMARK(BM_RoutesByPath)->Arg(3)->Arg(30)->Arg(300)->Arg(10'000);

void BM_RoutesByHost(benchmark::State& state) {
  NoHandler handler;
  Router router;
  for (int i = 0; i < state.range(0); ++i)
    router.add(match("/*", "tenant-" + std::to_string(i) + ".example.com"), handler);
  Asked exchange("/users/4711");
  for (auto _ : state) benchmark::DoNotOptimize(router.find(exchange));
}
BENCHMARK(BM_RoutesByHost)->Arg(30)->Arg(10'000);

}  // namespace
}  // namespace millrace::server

BENCHMARK_MAIN();
