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
  /// `memory` has the bytes of `body` booked, which are given back at the end.
  Copy(const Exchange& from, std::string body, ByteAllowance* memory)
      : Exchange(head_, peer_), body_(std::move(body)), memory_(memory) {
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

  ~Copy() {
    if (memory_ != nullptr) memory_->give_back(body_.size());
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
  const std::string body_;
  ByteAllowance* const memory_;
  bool given_ = false;
};

bool Mirror::wants(const Exchange& exchange) {
  if (!exchange.request.upgrade.empty()) return false;
  return options_.percent == 100 || random_.below(100) < options_.percent;
}

Task<void> Mirror::run(Mirror* mirror, std::unique_ptr<Copy> copy) {
  // Whatever becomes of it: the upstream's own figures tell.
  DeadlineScope limit(Errc::kTotalTimeout, kTimeMax);
  (void)co_await in_scope(limit.scope(), mirror->handler_.handle(*copy));
  copy.reset();
  --mirror->under_way_;
}

std::unique_ptr<Mirror::Copy> Mirror::copy(const Exchange& exchange, const BufferedBody* body) {
  if (under_way_ == kAtOnceMax) return nullptr;
  if (body == nullptr) return std::make_unique<Copy>(exchange, std::string(), nullptr);
  if (!body->is_whole_in_memory()) return nullptr;
  ByteAllowance* const memory = options_.memory;
  if (memory != nullptr && !memory->take(body->taken_bytes())) return nullptr;
  return std::make_unique<Copy>(exchange, body->copy(), memory);
}

void Mirror::send(const Exchange& exchange, const BufferedBody* body) {
  std::unique_ptr<Copy> made = copy(exchange, body);
  if (made == nullptr) return metrics::add(metrics::Metric::kMirrorDropped);
  ++under_way_;
  if (options_.spawn(run(this, std::move(made)))) return metrics::add(metrics::Metric::kMirrored);
  --under_way_;
  metrics::add(metrics::Metric::kMirrorDropped);
}

}  // namespace millrace::proxy
