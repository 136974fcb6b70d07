// An exchange in memory: the body comes from a list of pieces, the answer is collected.
//
//   MemoryExchange exchange({.method = Method::kPost, .target = "/echo", .body = {"ab", "c"}});
//   const Result<void> outcome = co_await exchange.answer(handler);
//
// Behaves as a codec does: no body for HEAD, a known length must be reached, a body that is not
// finished counts as aborted. Runs on an io thread.
#pragma once

#include "millrace/exchange.hpp"
#include "runtime/task_group.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::test {

struct MemoryRequest {
  http::Method method = http::Method::kGet;
  std::string target = "/";     ///< path and query
  std::string route_path = {};  ///< empty: the path
  std::vector<std::string> body = {};
  bool chunked = false;  ///< the length of the body is not known
  bool no_body = false;  ///< no body at all; else an empty list is Content-Length: 0
  std::optional<std::uint64_t> announced = {};  ///< Content-Length, when it is not the body's
  std::optional<Errc> body_error = {};          ///< instead of the end of the body
  bool body_stalls = false;                     ///< the end of the body never comes
  std::vector<std::pair<std::string, std::string>> fields = {};
};

namespace detail {
/// What the base class refers to, made before it.
struct MemoryParts {
  MemoryRequest given;
  http::RequestHead head;
  PeerInfo peer_info{.address = "127.0.0.1", .port = 50000, .local_address = "127.0.0.1"};
};
}  // namespace detail

class MemoryExchange final : detail::MemoryParts, public Exchange {
 public:
  explicit MemoryExchange(MemoryRequest r)
      : MemoryParts{.given = std::move(r)}, Exchange(head, peer_info) {
    reset(std::chrono::steady_clock::now());
    head.method = given.method;
    head.method_text = http::method_name(given.method);
    if (head.method_text.empty()) head.method_text = "BREW";
    const std::string_view target = given.target;
    const std::size_t mark = target.find('?');
    head.path = target.substr(0, mark);
    head.has_query = mark != std::string_view::npos;
    if (head.has_query) head.query = target.substr(mark + 1);
    head.authority = "localhost";
    for (const auto& [name, value] : given.fields) head.fields.add(name, value);
    route_path = given.route_path.empty() ? head.path : std::string_view(given.route_path);
    head.body = body_length();
  }
  ~MemoryExchange() = default;

  /// Runs the handler in the exchange's scope.
  Task<Result<void>> answer(Handler& handler) {
    co_return co_await in_scope(scope_, handler.handle(*this));
  }
  /// The client goes away.
  void go_away() noexcept { scope_.cancel(Errc::kClientGone); }
  /// Set once the handler waits for a body that does not come.
  [[nodiscard]] Event& stalled() noexcept { return stalled_; }
  [[nodiscard]] PeerInfo& mutable_peer() noexcept { return peer_info; }
  [[nodiscard]] http::RequestHead& mutable_head() noexcept { return head; }

  // --- what was answered ---

  [[nodiscard]] const std::string& body() const noexcept { return sent_; }
  /// Empty where there is no such field.
  [[nodiscard]] std::string field(std::string_view name) const {
    const http::FieldId id = http::field_id(name);
    for (const auto& [n, v] : sent_fields_)
      if (http::field_id(n) == id && (id != http::FieldId::kOther || n == name)) return v;
    return {};
  }
  [[nodiscard]] http::BodyLength sent_length() const noexcept { return length_; }
  [[nodiscard]] std::size_t pieces_read() const noexcept { return next_; }

  // Exchange
  Task<Result<Bytes>> read_body() override {
    if (next_ < given.body.size()) {
      const std::string& piece = given.body[next_++];
      if (!count_received(piece.size())) co_return fail(body_too_large());
      co_return Bytes(piece);
    }
    if (given.body_error) co_return fail(*given.body_error);
    if (given.body_stalls) {
      stalled_.set();
      if (const auto never = co_await never_.wait(); !never) co_return fail(never.error());
    }
    co_return Bytes{};
  }
  void interim(int, const http::Fields&) override {}
  Task<Result<void>> write(Bytes bytes) override {
    if (bodiless_) co_return Result<void>{};
    sent_.append(bytes.data(), bytes.size());
    sent_bytes_ += bytes.size();
    if (length_.is_known() && sent_bytes_ > length_.bytes) co_return fail(Errc::kInternal);
    co_return Result<void>{};
  }
  Result<void> end_body(const http::Fields*) override {
    if (!bodiless_ && length_.is_known() && sent_bytes_ != length_.bytes)
      return fail(Errc::kInternal);
    finished_ = true;
    return {};
  }

 private:
  [[nodiscard]] http::BodyLength body_length() const noexcept {
    if (given.no_body) return http::BodyLength::none();
    if (given.chunked) return http::BodyLength::unknown();
    std::uint64_t bytes = 0;
    for (const std::string& piece : given.body) bytes += piece.size();
    return http::BodyLength::known(given.announced.value_or(bytes));
  }
  void write_head(const http::ResponseHead& response) override {
    length_ = response.body;
    bodiless_ = head.method == http::Method::kHead || http::status_forbids_body(response.status);
    for (const http::Field& f : response.fields)
      sent_fields_.emplace_back(std::string(f.name), std::string(f.value));
  }
  void write_whole(const http::ResponseHead& response, std::string_view body) override {
    write_head(response);
    if (!bodiless_) sent_ = body;
    sent_bytes_ = sent_.size();
    finished_ = true;
  }

  Scope scope_;
  Event stalled_;
  Event never_;
  std::size_t next_ = 0;
  std::string sent_;
  std::vector<std::pair<std::string, std::string>> sent_fields_;
  http::BodyLength length_;
  bool bodiless_ = false;
};

}  // namespace millrace::test
