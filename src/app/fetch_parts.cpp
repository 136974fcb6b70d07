#include "app/fetch_parts.hpp"

#include "app/download.hpp"
#include "app/retry.hpp"
#include "http/ascii.hpp"
#include "http/url.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace millrace::app {

using endpoints::BatchItem;
using endpoints::BatchResult;
using endpoints::ItemPtr;
using endpoints::ResultPtr;
using http::Method;

BatchItem item_of(const FetchCommand& command) {
  BatchItem item;
  item.method = command.method;
  item.headers = command.headers;
  item.body = command.data;
  item.timeout = command.timeout;
  item.select = command.select.value_or("");
  item.has_select = command.select.has_value();
  return item;
}

namespace {

BatchItem copy_of(const BatchItem& item) {
  BatchItem copy;
  copy.index = item.index;
  copy.url = item.url;
  copy.method = item.method;
  copy.headers = item.headers;
  copy.body = item.body;
  copy.timeout = item.timeout;
  copy.arrived = item.arrived;
  return copy;
}

}  // namespace

// --- source ---

UrlSource::UrlSource(const FetchCommand& command, StandardInput& input, Progress& progress)
    : command_(command), input_(input), progress_(progress), urls_(command.urls) {
  if (urls_.empty()) urls_.emplace_back("-");
  know_total();
}

std::uint64_t UrlSource::left() const noexcept {
  const auto rest = std::span(urls_).subspan(next_);
  return rest.size() - static_cast<std::uint64_t>(std::ranges::count(rest, "-"));
}

void UrlSource::know_total() noexcept {
  const bool input = in_input_ || std::ranges::count(std::span(urls_).subspan(next_), "-") != 0;
  if (!input) progress_.state.total = given_ + left();
}

Task<Result<std::optional<std::string>>> UrlSource::next_url() {
  for (;;) {
    if (!in_input_) {
      if (next_ == urls_.size()) co_return std::optional<std::string>();
      std::string& url = urls_[next_++];
      if (url != "-") co_return std::move(url);
      in_input_ = true;
    }
    const Result<std::optional<std::string>> line = co_await input_.line(http::kUrlBytesMax + 1);
    if (!line) co_return fail(line.error());
    if (!*line) {
      in_input_ = false;
      know_total();
      continue;
    }
    std::string_view text = **line;
    if (text.ends_with('\r')) text.remove_suffix(1);
    text = http::trim_ows(text);
    if (!text.empty() && text.front() != '#') co_return std::string(text);
  }
}

Task<Result<ItemPtr>> UrlSource::next() {
  Result<std::optional<std::string>> url = co_await next_url();
  if (!url) co_return fail(url.error());
  if (!*url) co_return ItemPtr();
  co_return make(std::move(**url));
}

ItemPtr UrlSource::make(std::string url) {
  auto item = std::make_unique<BatchItem>(item_of(command_));
  item->url = url.find("://") == std::string::npos ? "http://" + url : std::move(url);
  item->index = given_++;
  item->arrived = Clock::now();
  return item;
}

// --- work ---

FetchWork::FetchWork(endpoints::ItemContext context, endpoints::HeldBytes& held, Options options,
                     Progress& progress)
    : context_(context), held_(held), options_(std::move(options)), progress_(progress) {}

Task<ResultPtr> FetchWork::run(ItemPtr item) {
  std::string name;
  if (options_.folder >= 0) {
    // In the order of the URLs: the names are the same in the next run.
    const auto url = http::parse_url(item->url);
    if (url) name = names_.claim(url->target);
  }
  unsigned requests = 0;
  for (unsigned attempt = 0;; ++attempt) {
    ResultPtr result = co_await (name.empty() ? in_memory(*item) : download(*item, name));
    requests = result->attempts += requests;
    if (attempt == options_.retries) co_return result;
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto pause = retry_pause(item->method, *result, attempt, client::thread_random(), now);
    if (!pause) co_return result;
    result->body.clear();
    result->held.shrink(result->held.bytes());
    if (const auto slept = co_await sleep_for(*pause); !slept) {
      result->errc = slept.error().errc;
      co_return result;
    }
  }
}

Task<ResultPtr> FetchWork::in_memory(const BatchItem& item) {
  auto result = std::make_unique<BatchResult>(held_);
  co_await endpoints::fetch_item(context_, item, *result);
  progress_.state.bytes += result->received;
  co_return result;
}

// A rest that does not fit any more is thrown away, once.
Task<ResultPtr> FetchWork::download(const BatchItem& item, const std::string& name) {
  bool started_over = false;
  ResultPtr result = co_await download_once(copy_of(item), name, started_over);
  if (!started_over) co_return result;
  const unsigned before = result->attempts;
  result = co_await download_once(copy_of(item), name, started_over);
  result->attempts += before;
  co_return result;
}

Task<ResultPtr> FetchWork::download_once(BatchItem item, const std::string& name,
                                         bool& started_over) {
  auto result = std::make_unique<BatchResult>(held_);
  const auto has = [&item](std::string_view wanted) {
    return std::ranges::any_of(
        item.headers, [&](const auto& header) { return http::iequals(header.first, wanted); });
  };
  const bool may_resume = item.method == Method::kGet && !item.body && !has("range");
  item.decode = false;
  if (!has("accept-encoding")) item.headers.emplace_back("Accept-Encoding", "identity");
  Download file({options_.folder, name, item.url}, may_resume,
                [this](std::uint64_t bytes) { progress_.state.bytes += bytes; });
  if (const auto& rest = file.rest()) {
    item.headers.emplace_back("Range", "bytes=" + std::to_string(rest->offset) + "-");
    item.headers.emplace_back("If-Range", rest->validator);
  }
  co_await endpoints::fetch_item(context_, item, *result, &file);
  result->body_kind = BatchResult::Body::kElsewhere;
  if (file.saved()) result->file = options_.folder_name + name;
  if (!file.fault().empty()) result->detail = file.fault();
  started_over = file.started_over();
  co_return result;
}

// --- sink ---

Task<Result<void>> ResultLines::take(ResultPtr result) {
  summary_.add(*result);
  ++progress_.state.done;
  if (!result->succeeded()) ++progress_.state.failed;
  progress_.hide();
  const Result<void> written =
      co_await endpoints::write_batch_line(*result, endpoints::LineReader::kOperator, *this);
  progress_.show();
  co_return written;
}

Task<Result<void>> ResultLines::write(Bytes bytes) {
  return output_.write(bytes);
}

}  // namespace millrace::app
