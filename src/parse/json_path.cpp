#include "parse/json_path.hpp"

#include "parse/utf8.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace millrace::parse {

namespace {

using Step = JsonPath::Step;

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

constexpr bool begins_name(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

/// An array's index as both languages write it. None: `digits` is none, or more than an array has.
std::optional<std::uint64_t> index_of(std::string_view digits) noexcept {
  if (digits.empty() || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
  std::uint64_t index = 0;
  const char* const end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, index);
  if (error != std::errc() || at != end) return std::nullopt;
  return index;
}

/// Reads a text from its front; each failure is remembered with its place.
class Reader {
 public:
  explicit Reader(std::string_view text) noexcept : text_(text) {}

  /// False: error() says why.
  bool read(std::vector<Step>& steps) {
    if (text_.size() > JsonPath::kTextBytesMax) return fail("the path is too long");
    if (!is_utf8(text_)) return fail("the path is not valid UTF-8");
    if (!text_.empty() && text_.front() != '/' && text_.front() != '$')
      return fail("a path begins with '$' (JSONPath) or '/' (JSON Pointer)");
    const bool is_pointer = !take('$');
    while (at_ < text_.size()) {
      if (steps.size() == JsonPath::kStepsMax) return fail("the path has too many steps");
      Step step;
      if (!(is_pointer ? token(step) : segment(step))) return false;
      steps.push_back(std::move(step));
    }
    return true;
  }

  [[nodiscard]] std::string error() const {
    return "position " + std::to_string(at_ + 1) + ": " + std::string(what_);
  }

 private:
  bool fail(std::string_view what) noexcept {
    what_ = what;
    return false;
  }
  bool take(char c) noexcept {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }

  /// RFC 6901 section 3: a slash and what follows it.
  bool token(Step& step) {
    ++at_;
    std::string name;
    for (; at_ < text_.size() && text_[at_] != '/'; ++at_) {
      if (text_[at_] != '~') {
        name += text_[at_];
        continue;
      }
      const char escaped = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      if (escaped != '0' && escaped != '1') return fail("'~' is written '~0', and '/' is '~1'");
      name += escaped == '0' ? '~' : '/';
      ++at_;
    }
    step.index = index_of(name);
    step.name = std::move(name);
    return true;
  }

  bool segment(Step& step) {
    if (take('[')) return bracket(step);
    if (!take('.')) return fail("'.' or '[' was expected");
    if (peek() == '.') return fail("'..' is not supported");
    if (take('*')) {
      step.any = true;
      return true;
    }
    const std::size_t begin = at_;
    if (!begins_name(peek())) return fail("a name or '*' was expected behind '.'");
    while (begins_name(peek()) || is_digit(peek())) ++at_;
    if (at_ < text_.size() && peek() != '.' && peek() != '[')
      return fail("a name with this character is written ['name']");
    step.name = text_.substr(begin, at_ - begin);
    return true;
  }

  bool bracket(Step& step) {
    const char c = peek();
    bool good = true;
    if (c == '*') {
      ++at_;
      step.any = true;
    } else if (c == '\'' || c == '"') {
      good = quoted(step);
    } else if (is_digit(c)) {
      good = index(step);
    } else if (c == '-') {
      return fail("counting from the end of an array is not supported");
    } else if (c == '?') {
      return fail("filters are not supported");
    } else if (c == ':') {
      return fail("slices are not supported");
    } else {
      return fail("a quoted name, a number or '*' was expected behind '['");
    }
    return good && close();
  }

  bool close() {
    if (take(']')) return true;
    if (peek() == ',') return fail("lists in brackets are not supported");
    if (peek() == ':') return fail("slices are not supported");
    return fail("']' was expected");
  }

  bool index(Step& step) {
    const std::size_t begin = at_;
    while (is_digit(peek())) ++at_;
    step.index = index_of(text_.substr(begin, at_ - begin));
    if (step.index) return true;
    at_ = begin;
    return fail(peek() == '0' ? "a number has no leading zeros" : "the number is too large");
  }

  /// RFC 9535 section 2.3.1.
  bool quoted(Step& step) {
    const char quote = text_[at_++];
    std::string name;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == quote) {
        ++at_;
        step.name = std::move(name);
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) return fail("a control character in a name");
      if (c != '\\')
        name += c;
      else if (!escape(quote, name))
        return false;
    }
    return fail("the name's closing quote is missing");
  }

  /// From a backslash to the escape's last byte.
  bool escape(char quote, std::string& name) {
    static constexpr std::string_view kEscapes = "bfnrt/\\";
    static constexpr std::string_view kMeant = "\b\f\n\r\t/\\";
    const std::size_t begin = at_++;
    const std::size_t simple = at_ < text_.size() ? kEscapes.find(text_[at_]) : kEscapes.npos;
    if (simple != kEscapes.npos) {
      name += kMeant[simple];
      return true;
    }
    if (peek() == quote) {
      name += quote;
      return true;
    }
    std::array<char, kUtf8BytesMax> utf8{};
    const std::optional<char32_t> code_point = peek() == 'u' ? unicode() : std::nullopt;
    if (!code_point) {
      at_ = begin;
      return fail("an unknown escape in a name");
    }
    name.append(utf8.data(), write_utf8(*code_point, utf8.data()));
    return true;
  }

  /// From `u` to the last digit, of the second half too where there is a pair.
  std::optional<char32_t> unicode() noexcept {
    const auto first = four_digits();
    if (!first || *first < 0xd800 || *first >= 0xe000) return first;
    if (*first >= 0xdc00 || text_.substr(at_ + 1, 2) != "\\u") return std::nullopt;
    at_ += 2;
    const auto second = four_digits();
    if (!second || *second < 0xdc00 || *second >= 0xe000) return std::nullopt;
    return 0x10000 + ((*first - 0xd800) << 10) + (*second - 0xdc00);
  }

  std::optional<char32_t> four_digits() noexcept {
    const std::string_view digits = text_.substr(at_ + 1, 4);
    std::uint32_t value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [at, error] = std::from_chars(digits.data(), end, value, 16);
    if (digits.size() != 4 || error != std::errc() || at != end) return std::nullopt;
    at_ += 4;
    return value;
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::string_view what_;
};

}  // namespace

std::expected<JsonPath, std::string> JsonPath::parse(std::string_view text) {
  JsonPath path;
  Reader reader(text);
  if (!reader.read(path.steps_)) return std::unexpected(reader.error());
  return path;
}

bool JsonPath::many() const noexcept {
  return std::ranges::any_of(steps_, &Step::any);
}

}  // namespace millrace::parse
