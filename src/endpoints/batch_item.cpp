#include "endpoints/batch_item.hpp"

#include "client/url_fetcher.hpp"
#include "endpoints/batch_select.hpp"
#include "endpoints/fetch_fields.hpp"
#include "endpoints/text_check.hpp"
#include "endpoints/turns.hpp"
#include "http/forward.hpp"
#include "http/url.hpp"
#include "millrace/body_source.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <memory>

namespace millrace::endpoints {
namespace {

using http::FieldId;
using http::Method;

/// Less is not worth setting a timer anew.
constexpr auto kPauseMin = std::chrono::milliseconds(1);

/// The body as it is.
class KeptBody final : public BodyTaker {
 public:
  KeptBody(BatchResult& result, std::uint64_t bytes_max) noexcept
      : result_(result), bytes_max_(bytes_max) {}

  Result<void> begin(const client::Response& response) override {
    const http::BodyLength length = response.body_length();
    return length.is_known() && length.bytes > bytes_max_ ? too_large() : Result<void>{};
  }
  Task<Result<void>> take(std::string_view piece) override {
    if (result_.body.bytes() + piece.size() > bytes_max_) co_return too_large();
    if (const auto room = co_await result_.held.grow(piece.size()); !room) co_return room;
    result_.body.append(piece);
    text_.feed(piece);
    co_return Result<void>{};
  }
  Task<Result<void>> finish() override {
    result_.body_kind = text_.whole() ? BatchResult::Body::kText : BatchResult::Body::kBinary;
    co_return Result<void>{};
  }

 private:
  Result<void> too_large() {
    result_.detail = larger_than(bytes_max_);
    return fail(Errc::kUpstreamTooLarge);
  }

  BatchResult& result_;
  const std::uint64_t bytes_max_;
  TextCheck text_;
};

class ItemFetch {
 public:
  ItemFetch(ItemContext context, const BatchItem& item, BatchResult& result, BodyTaker* taker)
      : context_(context),
        item_(item),
        result_(result),
        taker_(taker),
        source_(item.body ? Bytes(*item.body) : Bytes()) {}

  Task<void> run();

 private:
  [[nodiscard]] Duration time_max() const noexcept;
  [[nodiscard]] Result<void> prepare();
  Task<Result<void>> fetch();
  Task<Result<void>> take_head(const client::Response& response);
  Task<Result<void>> take_body(client::ResumingBody& body);
  Task<Result<void>> off_the_clock(Task<Result<void>> work);
  void choose_taker(int status);
  void begin_limit(Duration left);
  void explain(Error error);

  const ItemContext context_;
  const BatchItem& item_;
  BatchResult& result_;
  BodyTaker* taker_;
  std::unique_ptr<BodyTaker> own_taker_;
  MemoryBody source_;
  http::Url url_;
  client::Request request_;
  TimePoint ends_ = TimePoint::max();
  std::optional<DeadlineScope> limit_;
};

Duration ItemFetch::time_max() const noexcept {
  const Duration most = context_.fetcher.options().total;
  if (item_.timeout) return std::min<Duration>(*item_.timeout, most);
  return most == Duration::max() && context_.limits.item_timeout ? *context_.limits.item_timeout
                                                                 : most;
}

void ItemFetch::begin_limit(Duration left) {
  ends_ = after(Clock::now(), left);
  limit_.emplace(Errc::kTotalTimeout, left);
}

Result<void> ItemFetch::prepare() {
  if (item_.fault != Errc::kCount_) return fail(item_.fault);
  Result<http::Url> url = http::parse_url(item_.url);
  if (!url) {
    if (url.error().is(Errc::kBadParameter))
      result_.detail = "url: expected an absolute http or https URL.";
    return fail(url.error());
  }
  url_ = std::move(*url);
  request_.method = item_.method;
  request_.method_text = http::method_name(item_.method);
  for (const auto& [name, value] : item_.headers) request_.fields.add(name, value);
  if (!request_.fields.has(FieldId::kAccept)) request_.fields.add(FieldId::kAccept, "*/*");
  if (!request_.fields.has(FieldId::kUserAgent))
    request_.fields.add(FieldId::kUserAgent, kFetchUserAgent);
  if (item_.body) request_.body = &source_;
  // A part of a coded body has no beginning or no end.
  request_.decode = item_.decode && !request_.fields.has(FieldId::kRange);
  return {};
}

Task<void> ItemFetch::run() {
  result_.index = item_.index;
  result_.url = item_.url;
  Timings& timings = request_.trace.timings;
  timings.begin(item_.arrived);
  timings.end(Phase::kQueue);
  Result<void> outcome = prepare();
  if (outcome) outcome = co_await fetch();
  timings.end(Phase::kReceive);
  result_.timings = timings;
  result_.attempts = request_.trace.attempts;
  result_.reused = request_.trace.reused;
  result_.dns_source = name_of(request_.trace.dns_source);
  if (!outcome) explain(outcome.error());
}

void ItemFetch::explain(Error error) {
  result_.errc = error.errc;
  result_.cause = request_.trace.tls_cause;
  result_.body.clear();
  result_.held.shrink(result_.held.bytes());
  if (item_.fault != Errc::kCount_) result_.detail = item_.fault_detail;
}

Task<Result<void>> ItemFetch::fetch() {
  begin_limit(time_max());
  Result<client::Response> response =
      co_await in_scope(limit_->scope(), context_.fetcher.fetch(url_, request_, ends_));
  if (!response) co_return fail(response.error());
  result_.url = url_.text();
  Result<void> taken = co_await off_the_clock(take_head(*response));
  client::ResumingBody body(context_.fetcher.sender(), request_, std::move(*response),
                            context_.fetcher.options().resume);
  if (taken) taken = co_await take_body(body);
  co_await body.close();
  co_return taken;
}

void ItemFetch::choose_taker(int status) {
  if (taker_ != nullptr) return;
  const std::uint64_t bytes_max = context_.limits.item_bytes_max;
  if (item_.has_select && status / 100 == 2)
    own_taker_ = make_selected_body(item_.select, result_, bytes_max);
  else
    own_taker_ = std::make_unique<KeptBody>(result_, bytes_max);
  taker_ = own_taker_.get();
}

// The fields without those of one hop; Content-Length where it is that of what the caller sees.
Task<Result<void>> ItemFetch::take_head(const client::Response& response) {
  result_.status = response.status();
  result_.protocol = response.version();
  http::Fields passed;
  http::forward_response(response.fields(), passed);
  const http::BodyLength length = response.body_length();
  const http::Field* said = response.fields().find(FieldId::kContentLength);
  if (said != nullptr && (length.is_known() || length.is_none())) passed.add(*said);
  std::uint64_t bytes = 0;
  for (const http::Field& field : passed) bytes += field.name.size() + field.value.size();
  if (const auto room = co_await result_.held.grow(bytes); !room) co_return room;
  for (const http::Field& field : passed) result_.fields.add_copy(field.name, field.value);

  choose_taker(response.status());
  co_return taker_->begin(response);
}

Task<Result<void>> ItemFetch::take_body(client::ResumingBody& body) {
  std::uint64_t since_yield = 0;
  while (!body.done()) {
    const Result<Bytes> piece = co_await in_scope(limit_->scope(), body.read());
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
    result_.received += piece->size();
    const Result<void> taken = co_await off_the_clock(taker_->take({piece->data(), piece->size()}));
    if (!taken) co_return taken;
    since_yield += piece->size();
    if (since_yield < kBytesPerTurn) continue;
    since_yield = 0;
    co_await yield_now();
    // A body that is always there never waits, and only waits are cancelled.
    const Scope* scope = co_await this_scope();
    if (scope != nullptr && scope->cancelled()) co_return fail(scope->reason());
    if (limit_->scope().cancelled()) co_return fail(limit_->scope().reason());
  }
  co_return co_await off_the_clock(taker_->finish());
}

// Whoever waits for room waits for the batch's client, and not for this origin.
Task<Result<void>> ItemFetch::off_the_clock(Task<Result<void>> work) {
  const TimePoint before = Clock::now();
  request_.trace.timings.end(Phase::kReceive, before);
  const Result<void> done = co_await std::move(work);
  const TimePoint now = Clock::now();
  if (now - before < kPauseMin) co_return done;
  request_.trace.timings.end(Phase::kQueue, now);
  if (ends_ != TimePoint::max()) begin_limit(std::max(ends_ - before, Duration::zero()));
  co_return done;
}

}  // namespace

Task<void> fetch_item(ItemContext context, const BatchItem& item, BatchResult& result,
                      BodyTaker* taker) {
  ItemFetch fetch(context, item, result, taker);
  co_await fetch.run();
}

}  // namespace millrace::endpoints
