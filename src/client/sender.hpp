// One try at a request: what retries, hedges and resumed bodies are built upon. DirectSender is the
// plain one; a balancer's picks a target first.
//
// Ownership: outlives the tasks it gave. Thread rule: one io thread.
#pragma once

#include "client/client.hpp"

namespace millrace::client {

class Sender {
 public:
  virtual ~Sender() = default;
  /// As Client::fetch: errors, ownership, trace. May aim `request` at another origin before.
  [[nodiscard]] virtual Task<Result<Response>> send(Request& request) = 0;
};

class DirectSender final : public Sender {
 public:
  /// `client` must outlive it.
  explicit DirectSender(Client& client) noexcept : client_(client) {}
  [[nodiscard]] Task<Result<Response>> send(Request& request) override {
    return client_.fetch(request);
  }

 private:
  Client& client_;
};

}  // namespace millrace::client
