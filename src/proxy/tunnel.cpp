#include "proxy/tunnel.hpp"

#include "millrace/body_source.hpp"
#include "proxy/idle_limit.hpp"

namespace millrace::proxy {
namespace {

/// The client's direction.
class ClientSide final : public BodySource {
 public:
  ClientSide(Exchange& exchange, IdleLimit& idle) noexcept : exchange_(exchange), idle_(idle) {}
  [[nodiscard]] http::BodyLength length() const noexcept override {
    return http::BodyLength::unknown();
  }
  [[nodiscard]] Task<Result<Bytes>> read() override {
    const Result<Bytes> piece = co_await exchange_.read_body();
    idle_.passed_something();
    co_return piece;
  }

 private:
  Exchange& exchange_;
  IdleLimit& idle_;
};

Task<Result<void>> pass_downstream(Exchange& exchange, client::Response& upstream,
                                   IdleLimit& idle) {
  for (;;) {
    const Result<Bytes> piece = co_await upstream.read();
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) co_return exchange.finish();
    idle.passed_something();
    if (const auto written = co_await exchange.write(*piece); !written) co_return written;
  }
}

}  // namespace

Task<Result<void>> run_tunnel(Exchange& exchange, client::Response& upstream, Duration idle) {
  IdleLimit limit(idle);
  ClientSide client(exchange, limit);
  upstream.send_tunnel(client);
  const Result<void> passed =
      co_await in_scope(limit.scope(), pass_downstream(exchange, upstream, limit));
  co_await upstream.close();
  co_return passed;
}

}  // namespace millrace::proxy
