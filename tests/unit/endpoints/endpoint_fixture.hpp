// Endpoints as the application makes them, but for the network: one request in, one answer out.
#pragma once

#include "endpoints/endpoint.hpp"
#include "support/memory_exchange.hpp"
#include "support/on_io.hpp"

#include <functional>
#include <map>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace millrace::endpoints::test {

using http::Method;
using millrace::test::MemoryExchange;
using millrace::test::MemoryRequest;

/// Inputs by URL, from a table.
class FakeInputs final : public InputFetcher {
 public:
  std::map<std::string, std::string, std::less<>> texts;
  int open_inputs = 0;

  Task<Result<std::unique_ptr<InputStream>>> open(Exchange&, std::string_view url,
                                                  std::uint64_t bytes_max) override {
    const auto found = texts.find(url);
    if (found == texts.end()) co_return fail(Errc::kDnsNotFound);
    if (found->second.size() > bytes_max) co_return fail(Errc::kUpstreamTooLarge);
    co_return std::make_unique<Stream>(*this, found->second);
  }

 private:
  class Stream final : public InputStream {
   public:
    Stream(FakeInputs& owner, std::string_view text) : owner_(owner), text_(text) {
      ++owner_.open_inputs;
    }
    http::BodyLength length() const noexcept override { return http::BodyLength::unknown(); }
    Task<Result<Bytes>> read() override { co_return Bytes(std::exchange(text_, {})); }
    Task<void> close() override {
      --owner_.open_inputs;
      co_return;
    }

   private:
    FakeInputs& owner_;
    std::string_view text_;
  };
};

struct Endpoints {
  Offload offload{{.threads = 2}};
  FakeInputs inputs;
  EndpointContext context{.offload = offload, .inputs = &inputs};
};

/// What came of a request.
struct Answered {
  std::unique_ptr<MemoryExchange> exchange;
  Result<void> outcome;

  MemoryExchange* operator->() const noexcept { return exchange.get(); }
  [[nodiscard]] Errc errc() const noexcept {
    return outcome ? Errc::kCount_ : outcome.error().errc;
  }
};

/// While the handler runs, `meanwhile` may do something to the exchange.
inline Answered ask(const EndpointContext& context, std::string_view endpoint,
                    MemoryRequest request,
                    std::function<Task<void>(MemoryExchange&)> meanwhile = {}) {
  Answered out{std::make_unique<MemoryExchange>(std::move(request)), {}};
  const auto handler = make_endpoint(endpoint, context);
  if (handler == nullptr) {
    ADD_FAILURE() << "no endpoint " << endpoint;
    return out;
  }
  IoThread io(0);
  millrace::test::on_io(io, [&]() -> Task<void> {
    TaskGroup others;
    if (meanwhile) others.spawn(meanwhile(*out.exchange));
    out.outcome = co_await out.exchange->answer(*handler);
    others.cancel();
    co_await others.join();
  });
  return out;
}

inline Answered ask(std::string_view endpoint, MemoryRequest request) {
  Endpoints endpoints;
  return ask(endpoints.context, endpoint, std::move(request));
}

[[nodiscard]] std::string read_image(const std::string& name);

}  // namespace millrace::endpoints::test
