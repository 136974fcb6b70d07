#include "endpoints/batch_select.hpp"

#include "client/response.hpp"
#include "parse/json_select.hpp"

#include <algorithm>
#include <utility>

namespace millrace::endpoints {
namespace {

/// One value, or an array of them.
class SelectedBody final : public BodyTaker, parse::JsonSelectSink {
 public:
  SelectedBody(parse::JsonPath path, BatchResult& result, std::uint64_t bytes_max)
      : path_(std::move(path)), result_(result), bytes_max_(bytes_max), select_(path_, *this) {
    result_.body_kind = BatchResult::Body::kSelected;
    if (path_.many()) result_.body.append("[");
  }

  Result<void> begin(const client::Response& response) override {
    bodiless_ = response.body_length().is_none();
    return {};
  }

  // A piece adds at most itself to what is selected, and a comma per value: memory for it is taken
  // before, and what was not needed is given back.
  Task<Result<void>> take(std::string_view piece) override {
    const std::uint64_t before = result_.body.bytes();
    const std::uint64_t most = 2 * piece.size();
    if (const auto room = co_await result_.held.grow(most); !room) co_return room;
    if (const auto fed = select_.feed(piece); !fed) co_return not_json(fed.error());
    const std::uint64_t grown = result_.body.bytes() - before;
    result_.held.shrink(most - std::min(grown, most));
    if (result_.body.bytes() > bytes_max_) {
      result_.detail = larger_than(bytes_max_);
      co_return fail(Errc::kUpstreamTooLarge);
    }
    co_return Result<void>{};
  }

  Task<Result<void>> finish() override {
    if (!bodiless_)
      if (const auto ended = select_.finish(); !ended) co_return not_json(ended.error());
    if (path_.many())
      result_.body.append("]");
    else if (result_.matched == 0)
      result_.body.append("null");
    co_return Result<void>{};
  }

 private:
  // Line ends stand between tokens only; the answer is one line. Of a member that stands twice the
  // first is the value.
  void value_piece(std::string_view text) override {
    if (!path_.many() && result_.matched != 0) return;
    if (!std::exchange(in_value_, true) && result_.matched != 0) result_.body.append(",");
    while (!text.empty()) {
      const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
      result_.body.append(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  void value_end() override {
    in_value_ = false;
    ++result_.matched;
  }

  Result<void> not_json(parse::JsonFault fault) {
    result_.detail = "select: the answer is not JSON: ";
    result_.detail.append(fault.reason).append(" at byte ").append(std::to_string(fault.offset));
    result_.detail += '.';
    return fail(Errc::kUpstreamBadMessage);
  }

  const parse::JsonPath path_;
  BatchResult& result_;
  const std::uint64_t bytes_max_;
  parse::JsonSelect select_;
  bool bodiless_ = false;
  bool in_value_ = false;
};

}  // namespace

std::string larger_than(std::uint64_t bytes_max) {
  return "The answer is larger than " + std::to_string(bytes_max) + " bytes.";
}

std::expected<void, std::string> check_select(std::string_view path) {
  const auto parsed = parse::JsonPath::parse(path);
  if (!parsed) return std::unexpected(parsed.error());
  return {};
}

std::unique_ptr<BodyTaker> make_selected_body(std::string_view path, BatchResult& result,
                                              std::uint64_t bytes_max) {
  return std::make_unique<SelectedBody>(parse::JsonPath::parse(path).value(), result, bytes_max);
}

}  // namespace millrace::endpoints
