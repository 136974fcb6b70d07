#include "endpoints/batch_select.hpp"

#include "client/response.hpp"
#include "endpoints/json_records.hpp"
#include "parse/json_select.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace millrace::endpoints {
namespace {

/// One value, or an array of them: where the path means many, or the answer has many texts.
class SelectedBody final : public BodyTaker, parse::JsonSelectSink {
 public:
  SelectedBody(parse::JsonPath path, BatchResult& result, std::uint64_t bytes_max)
      : many_(path.many()), result_(result), bytes_max_(bytes_max), select_(path, *this) {
    result_.body_kind = BatchResult::Body::kSelected;
  }

  Result<void> begin(const client::Response& response) override {
    bodiless_ = response.body_length().is_none();
    const JsonFraming framing =
        json_framing_of(response.fields().value_or(http::FieldId::kContentType, {}));
    records_.emplace(framing, select_);
    many_ = many_ || framing != JsonFraming::kText;
    if (many_) result_.body.append("[");
    return {};
  }

  // A piece, with what is kept of the text that it goes on with, adds at most itself to what is
  // selected, and a comma per value: memory for it is taken before, and what was not needed is
  // given back.
  Task<Result<void>> take(std::string_view piece) override {
    const std::uint64_t before = result_.body.bytes();
    const std::uint64_t most = records_->growth_max() * (piece.size() + records_->held_bytes_max());
    if (const auto room = co_await result_.held.grow(most); !room) co_return room;
    if (const auto fed = records_->feed(piece); !fed) co_return fault(fed.error());
    const std::uint64_t grown = result_.body.bytes() - before + kept_bytes();
    result_.held.shrink(most - std::min(grown, most));
    if (result_.body.bytes() > bytes_max_) {
      result_.detail = larger_than(bytes_max_);
      co_return fail(Errc::kUpstreamTooLarge);
    }
    co_return Result<void>{};
  }

  Task<Result<void>> finish() override {
    if (!bodiless_)
      if (const auto ended = records_->finish(); !ended) co_return fault(ended.error());
    if (many_)
      result_.body.append("]");
    else if (result_.matched == 0)
      result_.body.append("null");
    co_return Result<void>{};
  }

 private:
  // Line ends stand between tokens only; the answer is one line. Of a member that stands twice the
  // first is the value.
  void value_piece(std::string_view text) override {
    if (!many_ && result_.matched != 0) return;
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

  /// What has come to be kept of an unfinished text since it was last asked.
  [[nodiscard]] std::uint64_t kept_bytes() noexcept {
    const std::uint64_t now = records_->held_bytes_max();
    const std::uint64_t before = std::exchange(kept_, now);
    if (now >= before) return now - before;
    result_.held.shrink(before - now);
    return 0;
  }

  Result<void> fault(std::string_view what) {
    result_.detail.assign("select: ").append(what).append(".");
    return fail(Errc::kUpstreamBadMessage);
  }

  bool many_;
  BatchResult& result_;
  const std::uint64_t bytes_max_;
  parse::JsonSelect select_;
  std::optional<JsonRecords> records_;
  std::uint64_t kept_ = 0;  // of the memory that is held
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
