// JSON texts. The first line of an input is a path, the rest the text: what is selected, and where
// and why the text is refused, may not depend on how it was cut; and it is accepted when
// nlohmann/json accepts it. Limits are small, so that inputs meet them.
#include "fuzz/check.hpp"
#include "fuzz/pieces.hpp"
#include "parse/json_select.hpp"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace {

using namespace millrace;
using fuzz::check;
using parse::JsonFault;
using parse::JsonPath;
using parse::JsonSelect;

constexpr JsonSelect::Limits kLimits{.depth_max = 20, .name_bytes_max = 30, .number_bytes_max = 20};

class Collector final : public parse::JsonSelectSink {
 public:
  void value_piece(std::string_view text) override {
    check(!text.empty(), "an empty piece");
    rest.append(text);
  }
  void value_end() override {
    check(!rest.empty(), "an empty value");
    values.push_back(std::move(rest));
    rest.clear();
  }

  std::vector<std::string> values;
  std::string rest;
};

struct Outcome {
  std::vector<std::string> values;
  std::string rest;
  std::optional<JsonFault> fault;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome select(const JsonPath& path, std::span<const std::string_view> pieces) {
  Collector sink;
  JsonSelect selection(path, sink, kLimits);
  std::optional<JsonFault> fault;
  for (const std::string_view piece : pieces) {
    const fuzz::Exact exact(piece);
    const auto fed = selection.feed(exact.view());
    if (!fed) fault = fed.error();
    if (fault) break;
  }
  const auto whole = selection.finish();
  if (fault) check(!whole && whole.error() == *fault, "a fault went away");
  if (!whole) fault = whole.error();
  return {std::move(sink.values), std::move(sink.rest), fault};
}

std::vector<std::string_view> bytes_of(std::string_view text) {
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
  return bytes;
}

bool is_limit(const JsonFault& fault) {
  return fault.reason == parse::kJsonTooDeep || fault.reason == parse::kJsonNameTooLong ||
         fault.reason == parse::kJsonNumberTooLong;
}

/// Would only the size of a number make nlohmann/json refuse it?
struct RangeProbe : nlohmann::json_sax<nlohmann::json> {
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    constexpr int kOutOfRange = 406;
    out_of_range = e.id == kOutOfRange;
    return false;
  }
  bool out_of_range = false;
};

void check_acceptance(std::string_view text, const std::optional<JsonFault>& fault) {
  if (fault) check(fault->offset <= text.size() && !fault->reason.empty(), "a fault elsewhere");
  if (fault && is_limit(*fault)) return;
  // It skips a byte order mark, and takes a NUL for the end.
  if (text.starts_with("\xEF\xBB\xBF") || text.contains('\0')) return check(!!fault, "not JSON");
  RangeProbe probe;
  const bool accepted = nlohmann::json::sax_parse(text, &probe);
  if (!probe.out_of_range) check(accepted == !fault, "two opinions of a text");
}

void check_values(const JsonPath& path, const Outcome& outcome, std::string_view text) {
  const char* from = text.data();
  for (const std::string& value : outcome.values) {
    const std::string_view left(from, static_cast<std::size_t>(text.data() + text.size() - from));
    const std::size_t at = left.find(value);
    check(at != left.npos, "a value from elsewhere");
    from += at + value.size();
    check(!select(JsonPath::parse("").value(), std::array{std::string_view(value)}).fault,
          "a value that is none");
  }
  if (!outcome.fault) check(outcome.rest.empty(), "half a value of a whole text");
  if (path.steps().empty() && !outcome.fault) check(outcome.values.size() == 1, "the whole text");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  const std::string_view text = line == input.npos ? input : input.substr(line + 1);
  const auto path = JsonPath::parse(input.substr(0, line == input.npos ? 0 : line));
  if (!path) {
    check(path.error().starts_with("position "), "an error without its place");
    return 0;
  }
  const Outcome whole = select(*path, std::array{text});
  check(select(*path, fuzz::cut(text, 8)) == whole, "a cut makes a difference");
  check(select(*path, bytes_of(text)) == whole, "cuts everywhere make a difference");
  check_acceptance(text, whole.fault);
  check_values(*path, whole, text);
  return 0;
}
