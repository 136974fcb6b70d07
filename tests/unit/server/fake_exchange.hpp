// An exchange without a connection: what a handler or the pipeline answers is kept.
#pragma once

#include "http/gate.hpp"
#include "millrace/exchange.hpp"
#include "runtime/task.hpp"

#include <string>
#include <string_view>

namespace millrace::test {

class FakeExchange final : public Exchange {
 public:
  /// As the gate would have passed it.
  explicit FakeExchange(std::string_view method = "GET", std::string_view target = "/",
                        std::string_view host = "example.com")
      : Exchange(head_, peer_) {
    head_.fields.add(http::FieldId::kHost, host);
    const auto verdict = http::judge_request({.method_text = method, .target = target}, head_);
    passed = verdict.has_value();
  }

  Task<Result<Bytes>> read_body() override { co_return Bytes{}; }
  void interim(int, const http::Fields&) override {}
  Task<Result<void>> write(Bytes bytes) override {
    body.append(bytes.data(), bytes.size());
    co_return Result<void>{};
  }
  Result<void> end_body(const http::Fields*) override {
    finished_ = true;
    return {};
  }

  /// The value of a response field, empty without one.
  [[nodiscard]] std::string field(std::string_view name) const {
    for (const auto& [n, value] : fields)
      if (n == name) return value;
    return {};
  }

  /// What a TLS connection would have been made for.
  void serve_with(ServedCertificate& served) noexcept { peer_.served = &served; }

  bool passed = false;
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;
  int heads = 0;

 private:
  void write_head(const http::ResponseHead& head) override {
    ++heads;
    for (const http::Field& f : head.fields) fields.emplace_back(f.name, f.value);
  }
  void write_whole(const http::ResponseHead& head, std::string_view whole) override {
    write_head(head);
    body = whole;
    finished_ = true;
  }

  http::RequestHead head_;
  PeerInfo peer_{.address = "127.0.0.1", .local_address = "127.0.0.1"};
};

}  // namespace millrace::test
