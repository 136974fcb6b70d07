// An exchange without a connection whose request body comes, and whose answer is seen, while the
// handler runs.
#pragma once

#include "http/ascii.hpp"
#include "millrace/exchange.hpp"
#include "runtime/wait_queue.hpp"

#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace millrace::test {

class FakeExchange final : public Exchange {
 public:
  FakeExchange() : Exchange(head_, peer_info_) {
    head_.authority = "client.test";
    head_.path = "/";
    peer_info_.address = "192.0.2.7";
    began_ = std::chrono::steady_clock::now();
  }

  /// "/a?b": as the gate would have split it. Must outlive the exchange.
  void target(std::string_view text) {
    const std::size_t mark = text.find('?');
    head_.path = text.substr(0, mark);
    head_.has_query = mark != std::string_view::npos;
    head_.query = head_.has_query ? text.substr(mark + 1) : std::string_view();
  }
  void method(std::string_view text) {
    head_.method_text = text;
    head_.method = http::parse_method(text);
  }
  void field(std::string_view name, std::string_view value) { head_.fields.add(name, value); }
  /// A body of known length that is all there.
  void body(std::string text) {
    head_.body = http::BodyLength::known(text.size());
    pieces_.push_back(std::move(text));
    body_ended_ = true;
  }
  /// A body of known length whose pieces come by push_body().
  void known_body(std::uint64_t size) {
    head_.body = http::BodyLength::known(size);
    body_ended_ = false;
  }
  /// Behind the pieces that are there.
  void fail_body(Errc errc) {
    body_error_ = errc;
    more_.set();
  }
  /// A body whose pieces come by push_body() and end with end_body().
  void streamed_body() {
    head_.body = http::BodyLength::unknown();
    body_ended_ = false;
  }
  void push_body(std::string text) {
    pieces_.push_back(std::move(text));
    more_.set();
  }
  void end_body() {
    body_ended_ = true;
    more_.set();
  }
  PeerInfo& peer_info() { return peer_info_; }

  // --- what was answered ---
  [[nodiscard]] std::string answered_field(std::string_view name) const {
    for (const auto& [n, v] : fields_)
      if (http::iequals(n, name)) return v;
    return {};
  }
  [[nodiscard]] const std::string& answered_body() const { return body_; }
  [[nodiscard]] http::BodyLength answered_length() const { return length_; }
  std::vector<int> interims;
  /// Set whenever a piece was written.
  Event wrote;

  // Exchange
  Task<Result<Bytes>> read_body() override {
    while (pieces_.empty()) {
      if (body_error_ != Errc::kCount_) co_return fail(body_error_);
      if (body_ended_) co_return Bytes{};
      more_.reset();
      if (const auto ok = co_await more_.wait(); !ok) co_return fail(ok.error());
    }
    piece_ = std::move(pieces_.front());
    pieces_.pop_front();
    co_return Bytes(piece_);
  }
  void interim(int status, const http::Fields&) override { interims.push_back(status); }
  Task<Result<void>> write(Bytes bytes) override {
    body_.append(bytes.data(), bytes.size());
    wrote.set();
    co_return Result<void>{};
  }
  Result<void> end_body(const http::Fields*) override {
    finished_ = true;
    return {};
  }

 private:
  void write_head(const http::ResponseHead& head) override {
    length_ = head.body;
    for (const http::Field& f : head.fields) fields_.emplace_back(f.name, f.value);
  }
  void write_whole(const http::ResponseHead& head, std::string_view body) override {
    write_head(head);
    body_ = body;
    finished_ = true;
  }

  http::RequestHead head_;
  PeerInfo peer_info_;
  std::deque<std::string> pieces_;
  std::string piece_;
  bool body_ended_ = true;
  Errc body_error_ = Errc::kCount_;
  Event more_;
  std::vector<std::pair<std::string, std::string>> fields_;
  std::string body_;
  http::BodyLength length_;
};

}  // namespace millrace::test
