// Hooks around every exchange: request ids, access log, metrics. One file each in src/middleware;
// the list in its meson.build is their order.
//
// Hooks run inline on the connection's io thread and never wait: what must wait is a Handler.
// Ownership: one instance per io thread, owned by the thread's pipeline.
#pragma once

#include "millrace/exchange.hpp"

namespace millrace {

class Middleware {
 public:
  virtual ~Middleware() = default;
  /// The head has passed the gate, nothing is routed yet. In the order of the list.
  virtual void request(Exchange& exchange) { (void)exchange; }
  /// Just before the head of the response is written. In reverse order.
  virtual void response_head(Exchange& exchange, http::ResponseHead& head) {
    (void)exchange;
    (void)head;
  }
  /// The exchange is over, also after errors; `exchange.cause` tells. In reverse order.
  virtual void finished(Exchange& exchange) { (void)exchange; }
};

}  // namespace millrace
