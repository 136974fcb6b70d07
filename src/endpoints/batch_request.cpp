#include "endpoints/batch_request.hpp"

#include "base/base64.hpp"
#include "config/units.hpp"
#include "endpoints/batch_select.hpp"
#include "endpoints/fetch_fields.hpp"
#include "http/ascii.hpp"
#include "http/url.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include <nlohmann/json.hpp>

namespace millrace::endpoints {
namespace {

using http::Method;
using Json = nlohmann::json;

constexpr std::string_view kMembers = "url, method, headers, body, body_base64, timeout or select";

/// Where in the document a value stands.
enum class At : std::uint8_t { kStart, kBatch, kRequests, kItem, kHeaders, kPair, kMap, kEnd };
enum class Member : std::uint8_t {
  kUrl,
  kMethod,
  kHeaders,
  kBody,
  kBodyBase64,
  kTimeout,
  kSelect,
  kRequests,
  kParallel,
  kNone
};
constexpr std::array<std::string_view, 9> kNames{
    "url", "method", "headers", "body", "body_base64", "timeout", "select", "requests", "parallel"};

// A fault may quote what was sent, which may be megabytes.
void shorten(std::string& text) {
  constexpr std::size_t kFaultBytesMax = 300;
  if (text.size() <= kFaultBytesMax) return;
  std::size_t end = kFaultBytesMax;
  while (end != 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  text += "...";
}

Method parse_any_case(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return http::parse_method(text);
}

// nlohmann calls one function per event; false ends the reading. The messages are ours.
class Reader {
 public:
  Reader(const BatchLimits& limits, At root) : limits_(limits), root_(root) {}

  bool null() { return scalar("null"); }
  bool boolean(bool) { return scalar("a boolean"); }
  bool number_integer(std::int64_t value) { return number(static_cast<double>(value)); }
  bool number_unsigned(std::uint64_t value) { return number(static_cast<double>(value)); }
  bool number_float(double value, const std::string&) { return number(value); }
  bool string(std::string& text);
  bool binary(Json::binary_t&) { return false; }
  bool start_object(std::size_t);
  bool key(std::string& name);
  bool end_object();
  bool start_array(std::size_t);
  bool end_array();
  bool parse_error(std::size_t offset, const std::string&, const nlohmann::detail::exception&) {
    return fault("not JSON from byte " + std::to_string(offset) + " on");
  }

  BatchRequest batch;
  BatchFault wrong;

 private:
  bool fault(std::string text, Errc errc = Errc::kBadParameter);
  bool fault_at(std::string_view member, std::string text);
  [[nodiscard]] std::string place() const;
  bool unexpected(std::string_view what);
  bool scalar(std::string_view what);
  bool number(double value);
  bool begin_item();
  bool end_item();
  bool add_header(std::string name, std::string value);
  bool item_string(std::string& text);
  bool timeout(std::string_view text);
  bool timeout_ms(double ms);
  BatchItem& item() { return *batch.items.back(); }

  const BatchLimits& limits_;
  const At root_;
  At at_ = At::kStart;
  Member member_ = Member::kNone;
  unsigned seen_ = 0;   // members of the item, or of the batch
  unsigned outer_ = 0;  // those of the batch, meanwhile
  std::vector<std::string> pair_;
  std::string name_;  // of the header whose value comes
  std::size_t header_bytes_ = 0;
  bool method_given_ = false;
};

// "requests[3]" where there is more than one item.
std::string Reader::place() const {
  const bool in_item = at_ != At::kStart && at_ != At::kBatch && at_ != At::kRequests;
  if (root_ != At::kBatch || !in_item || batch.items.empty()) return {};
  return "requests[" + std::to_string(batch.items.size() - 1) + "]";
}

bool Reader::fault(std::string text, Errc errc) {
  const std::string where = place();
  shorten(text);
  wrong = {errc, (where.empty() ? "" : where + ": ") + text + "."};
  return false;
}

bool Reader::fault_at(std::string_view member, std::string text) {
  const std::string where = place();
  shorten(text);
  wrong.detail = where.empty() ? std::string(member) : where + "." + std::string(member);
  wrong.detail.append(": ").append(text).append(".");
  return false;
}

bool Reader::unexpected(std::string_view what) {
  switch (at_) {
    case At::kStart:
    case At::kEnd:
      return fault("expected an object, got " + std::string(what));
    case At::kRequests:
      return fault("requests: expected objects, got " + std::string(what));
    case At::kHeaders:
      return fault_at("headers", "expected [name, value] pairs, got " + std::string(what));
    case At::kPair:
    case At::kMap:
      return fault_at("headers", "expected a string, got " + std::string(what));
    case At::kBatch:
    case At::kItem:
      break;
  }
  std::string_view wanted = "a string";
  if (member_ == Member::kRequests) wanted = "an array";
  if (member_ == Member::kHeaders) wanted = "an array of [name, value] pairs";
  if (member_ == Member::kTimeout) wanted = "a time such as \"5s\", or seconds";
  if (member_ == Member::kParallel) wanted = "a number from 1 to 256";
  return fault_at(kNames[static_cast<std::size_t>(member_)],
                  "expected " + std::string(wanted) + ", got " + std::string(what));
}

bool Reader::scalar(std::string_view what) {
  const bool optional = member_ != Member::kUrl && member_ != Member::kRequests;
  const bool in_object = at_ == At::kItem || at_ == At::kBatch;
  if (what == "null" && in_object && optional) return true;
  return unexpected(what);
}

bool Reader::number(double value) {
  if (at_ == At::kItem && member_ == Member::kTimeout) return timeout_ms(value * 1000);
  if (at_ != At::kBatch || member_ != Member::kParallel) return unexpected("a number");
  if (value != std::floor(value) || value < 1 || value > kBatchParallelMax)
    return fault_at("parallel", "expected a number from 1 to 256");
  batch.parallel = static_cast<unsigned>(value);
  return true;
}

bool Reader::string(std::string& text) {
  switch (at_) {
    case At::kItem:
      return item_string(text);
    case At::kPair:
      if (pair_.size() == 2) return fault_at("headers", "expected [name, value], got more");
      pair_.push_back(std::move(text));
      return true;
    case At::kMap:
      return add_header(std::move(name_), std::move(text));
    default:
      return unexpected("a string");
  }
}

bool Reader::item_string(std::string& text) {
  switch (member_) {
    case Member::kUrl:
      if (text.size() > http::kUrlBytesMax)
        return fault_at("url", "is longer than " + std::to_string(http::kUrlBytesMax) + " bytes");
      item().url = std::move(text);
      return true;
    case Member::kMethod:
      item().method = parse_any_case(text);
      method_given_ = true;
      if (item().method == Method::kOther || item().method == Method::kConnect ||
          item().method == Method::kTrace)
        return fault_at("method", "expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS");
      return true;
    case Member::kBody:
    case Member::kBodyBase64:
      if (item().body) return fault_at("body", "expected body or body_base64, not both");
      item().body = member_ == Member::kBody ? std::optional(std::move(text)) : decode_base64(text);
      return item().body.has_value() || fault_at("body_base64", "expected padded base64");
    case Member::kTimeout:
      return timeout(text);
    case Member::kSelect:
      if (const auto good = check_select(text); !good) return fault_at("select", good.error());
      item().select = std::move(text);
      item().has_select = true;
      return true;
    default:
      return unexpected("a string");
  }
}

bool Reader::timeout(std::string_view text) {
  const auto parsed = config::parse_duration(text);
  if (!parsed) return fault_at("timeout", parsed.error());
  return timeout_ms(static_cast<double>(parsed->count()));
}

bool Reader::timeout_ms(double ms) {
  const auto most = limits_.item_timeout_max;
  if (!(ms >= 1 && ms <= static_cast<double>(most.count())))
    return fault_at("timeout", "expected 1ms to " + config::format_duration(most));
  item().timeout = std::chrono::milliseconds(static_cast<std::int64_t>(ms));
  return true;
}

bool Reader::begin_item() {
  if (batch.items.size() >= limits_.items_max)
    return fault("more than " + std::to_string(limits_.items_max) +
                     " requests; raise fetch.batch.items_max to allow them",
                 Errc::kBodyTooLarge);
  batch.items.push_back(std::make_unique<BatchItem>());
  item().index = batch.items.size() - 1;
  outer_ = std::exchange(seen_, 0);
  header_bytes_ = 0;
  method_given_ = false;
  at_ = At::kItem;
  return true;
}

bool Reader::end_item() {
  if (item().url.empty()) return fault_at("url", "is missing");
  if (item().body && !method_given_) item().method = Method::kPost;
  seen_ = outer_;
  at_ = root_ == At::kBatch ? At::kRequests : At::kEnd;
  return true;
}

bool Reader::start_object(std::size_t) {
  if (at_ == At::kStart && root_ == At::kBatch) {
    at_ = At::kBatch;
    return true;
  }
  if (at_ == At::kStart || at_ == At::kRequests) return begin_item();
  if (at_ == At::kItem && member_ == Member::kHeaders) {
    at_ = At::kMap;
    return true;
  }
  return unexpected("an object");
}

bool Reader::key(std::string& name) {
  if (at_ == At::kMap) {
    name_ = std::move(name);
    return true;
  }
  const auto found = std::ranges::find(kNames, name);
  const auto which = static_cast<unsigned>(found - kNames.begin());
  member_ = static_cast<Member>(which);
  const bool of_batch = member_ == Member::kRequests || member_ == Member::kParallel;
  if (found == kNames.end() || of_batch != (at_ == At::kBatch)) {
    std::string wanted(at_ == At::kBatch ? "requests or parallel" : kMembers);
    return fault("unknown member " + config::quote(name.substr(0, 64)) + ", expected " + wanted);
  }
  if ((seen_ >> which & 1) != 0) return fault_at(name, "stands twice");
  seen_ |= 1U << which;
  return true;
}

bool Reader::end_object() {
  if (at_ == At::kItem) return end_item();
  if (at_ == At::kMap) {
    at_ = At::kItem;
    return true;
  }
  if ((seen_ >> static_cast<unsigned>(Member::kRequests) & 1) == 0)
    return fault("requests: is missing");
  at_ = At::kEnd;
  return true;
}

bool Reader::start_array(std::size_t) {
  if (at_ == At::kBatch && member_ == Member::kRequests) {
    at_ = At::kRequests;
  } else if (at_ == At::kItem && member_ == Member::kHeaders) {
    at_ = At::kHeaders;
  } else if (at_ == At::kHeaders) {
    at_ = At::kPair;
    pair_.clear();
  } else {
    return unexpected("an array");
  }
  return true;
}

bool Reader::end_array() {
  switch (at_) {
    case At::kRequests:
      at_ = At::kBatch;
      return true;
    case At::kHeaders:
      at_ = At::kItem;
      return true;
    default:
      if (pair_.size() != 2) return fault_at("headers", "expected [name, value], got less");
      at_ = At::kHeaders;
      return add_header(std::move(pair_[0]), std::move(pair_[1]));
  }
}

bool Reader::add_header(std::string name, std::string value) {
  if (!may_be_chosen(name))
    return fault_at("headers",
                    config::quote(name.substr(0, 64)) + " is not a field that may be chosen");
  const std::string_view trimmed = http::trim_ows(value);
  if (!http::all_are(trimmed, http::kValueByte))
    return fault_at("headers", "the value of " + name + " has control characters");
  header_bytes_ += name.size() + trimmed.size();
  if (item().headers.size() >= kItemHeadersMax || header_bytes_ > kItemHeaderBytesMax)
    return fault_at("headers", "more than 100 fields, or 64 KiB of them");
  item().headers.emplace_back(std::move(name), trimmed);
  return true;
}

std::expected<BatchRequest, BatchFault> read(std::string_view text, const BatchLimits& limits,
                                             At root) {
  Reader reader(limits, root);
  if (!Json::sax_parse(text, &reader)) return std::unexpected(std::move(reader.wrong));
  return std::move(reader.batch);
}

}  // namespace

std::expected<BatchRequest, BatchFault> parse_batch(std::string_view text,
                                                    const BatchLimits& limits) {
  return read(text, limits, At::kBatch);
}

std::expected<std::unique_ptr<BatchItem>, BatchFault> parse_batch_item(std::string_view line,
                                                                       const BatchLimits& limits) {
  auto batch = read(line, limits, At::kItem);
  if (!batch) return std::unexpected(std::move(batch.error()));
  return std::move(batch->items.front());
}

}  // namespace millrace::endpoints
