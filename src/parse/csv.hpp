// Rows of CSV (RFC 4180), cut anywhere.
//
//   csv.feed(piece);
//   for (;;) { const auto row = csv.next(); ... until it holds none }
//   ... and after the last piece: csv.finish().
//
// A row ends with CRLF or LF; what follows the last one is a row too, unless it is empty. A field
// in double quotes may hold delimiters and line ends, and "" for a quote. An empty line is a row of
// one empty field. Rows may have different numbers of fields. A byte order mark at the beginning is
// skipped. Where a lenient reader would guess, this one fails: at a quote in a field without
// quotes, at text behind a closing quote, at a CR outside of quotes without its LF.
//
// A field is a view into the piece where its row lies in one piece, and has no "" in it.
//
// Ownership: refers to the last piece, which must stay until next() has no more. Thread rule: one
// thread at a time. Memory: twice the longest row, and 40 bytes for each of its fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::parse {

struct CsvFault {
  std::uint64_t row = 0;    ///< from 1, a row of names among them
  std::string_view reason;  ///< static text: a sentence without a full stop

  friend bool operator==(const CsvFault&, const CsvFault&) = default;
};

inline constexpr std::string_view kRowTooLong = "the row is too long";
inline constexpr std::string_view kTooManyFields = "the row has too many fields";

/// At least one field.
using CsvRow = std::span<const std::string_view>;

struct CsvOptions {
  static constexpr std::size_t kRowBytesMax = std::size_t{1024} * 1024;
  static constexpr std::size_t kFieldsMax = 4096;

  char delimiter = ',';                      ///< not a quote, CR or LF
  std::size_t row_bytes_max = kRowBytesMax;  ///< as written, without the row's end
  std::size_t fields_max = kFieldsMax;       ///< of a row
};

class CsvSplitter {
 public:
  /// None: the piece is used up. The row is there until the next call. A fault stays.
  using Next = std::expected<std::optional<CsvRow>, CsvFault>;

  explicit CsvSplitter(CsvOptions options = {}) noexcept : options_(options) {}

  /// After next() had no more, or first.
  void feed(std::string_view piece) noexcept { rest_ = piece; }
  [[nodiscard]] Next next();
  /// After the last piece, when next() had no more: the last row, where there is one.
  [[nodiscard]] Next finish();
  /// The number of the row that was given last, from 1.
  [[nodiscard]] std::uint64_t row() const noexcept { return row_; }

 private:
  enum class State : std::uint8_t {
    kBegin,  ///< a byte order mark may come
    kFieldBegin,
    kPlain,
    kQuoted,
    kQuote,  ///< behind a quote in quotes: the closing one, or the first of ""
    kReturn,
  };
  /// Offsets from the row's first byte.
  struct Field {
    std::size_t begin;
    std::size_t end;
    bool has_escapes;
  };

  // Each goes on at at_, which is not the rest's end. False: failed, or the row has ended.
  bool step();
  bool begin();
  bool field_begin();
  bool plain();
  bool quoted();
  bool quote();
  bool line_feed();
  bool after_field();

  bool end_field(std::size_t end);
  bool end_last_field();
  bool fail(std::string_view reason) noexcept;
  [[nodiscard]] bool fits() noexcept;
  [[nodiscard]] Next give_row();
  [[nodiscard]] std::string_view unescape(std::string_view text);
  void forget_given() noexcept;
  [[nodiscard]] const char* end() const noexcept { return rest_.data() + rest_.size(); }
  /// In the row, of at_.
  [[nodiscard]] std::size_t offset() const noexcept {
    return held_.size() + static_cast<std::size_t>(at_ - rest_.data());
  }

  const CsvOptions options_;
  std::string_view rest_;
  const char* at_ = nullptr;  ///< in the rest, while next() runs
  State state_ = State::kBegin;
  std::size_t mark_bytes_ = 0;  ///< of a byte order mark
  bool row_ended_ = false;
  bool given_ = false;  ///< held_ and fields_ are the row that was given last
  std::uint64_t row_ = 0;
  std::string_view reason_;  ///< of the fault

  std::string held_;  ///< of a row that began in an earlier piece
  std::vector<Field> fields_;
  std::size_t field_offset_ = 0;
  bool has_escapes_ = false;
  std::vector<std::string_view> views_;
  std::string unescaped_;
};

}  // namespace millrace::parse
