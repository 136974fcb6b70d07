#include "proxy/mirror.hpp"

#include "base/metrics.hpp"

#include <memory>
#include <utility>

namespace millrace::proxy {
namespace {

using http::RequestHead;

std::string_view copied(http::TextArena& arena, std::string_view text) {
  return text.empty() ? std::string_view() : arena.copy(text);
}

void copy_head(const RequestHead& from, RequestHead& to) {
  http::TextArena& arena = to.fields.arena();
  to.method = from.method;
  to.method_text = copied(arena, from.method_text);
  to.version = from.version;
  to.https = from.https;
  to.authority = copied(arena, from.authority);
  to.path = copied(arena, from.path);
  to.query = copied(arena, from.query);
  to.has_query = from.has_query;
  to.target = copied(arena, from.target);
  to.form = from.form;
  for (const http::Field& field : from.fields)
    to.fields.add({.name = field.id == http::FieldId::kOther ? copied(arena, field.name)
                                                             : http::field_name(field.id),
                   .value = copied(arena, field.value),
                   .id = field.id});
}

}  // namespace

/// The copy of an exchange: its request is there, its answer is thrown away.
class Mirror::Copy final : public Exchange {
 public:
  Copy(const Exchange& from, std::string body) : Exchange(head_, peer_), body_(std::move(body)) {
    copy_head(from.request, head_);
    http::TextArena& arena = head_.fields.arena();
    if (!body_.empty()) head_.body = http::BodyLength::known(body_.size());
    peer_ = from.peer;
    peer_.address = copied(arena, from.peer.address);
    peer_.local_address = copied(arena, from.peer.local_address);
    peer_.client_subject = copied(arena, from.peer.client_subject);
    peer_.served = nullptr;
    route_path = copied(arena, from.route_path);
    route_name = from.route_name;  // of the configuration
    request_id = copied(arena, from.request_id);
    began_ = std::chrono::steady_clock::now();
  }

  Task<Result<Bytes>> read_body() override {
    co_return std::exchange(given_, true) ? Bytes{} : Bytes(body_);
  }
  void interim(int, const http::Fields&) override {}
  Task<Result<void>> write(Bytes) override { co_return Result<void>{}; }

 private:
  void write_head(const http::ResponseHead&) override {}
  Result<void> end_body(const http::Fields*) override {
    finished_ = true;
    return {};
  }
  void write_whole(const http::ResponseHead&, std::string_view) override { finished_ = true; }

  RequestHead head_;
  PeerInfo peer_;
  std::string body_;
  bool given_ = false;
};

bool Mirror::wants(const Exchange& exchange) {
  if (!exchange.request.upgrade.empty()) return false;
  return options_.percent == 100 || random_.below(100) < options_.percent;
}

void Mirror::count_dropped() noexcept {
  metrics::add(metrics::Metric::kMirrorDropped);
}

Task<void> Mirror::run(Mirror* mirror, std::unique_ptr<Copy> copy) {
  // Whatever becomes of it: the upstream's own figures tell.
  (void)co_await mirror->handler_.handle(*copy);
  --mirror->under_way_;
}

void Mirror::send(const Exchange& exchange, std::string body) {
  if (under_way_ == kAtOnceMax) return count_dropped();
  auto copy = std::make_unique<Copy>(exchange, std::move(body));
  ++under_way_;
  if (options_.spawn(run(this, std::move(copy)))) return metrics::add(metrics::Metric::kMirrored);
  --under_way_;
  count_dropped();
}

}  // namespace millrace::proxy
