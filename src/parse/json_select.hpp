// The values of a JSON text that a path means, byte for byte as they were written, in the order of
// the text, in constant memory however large text and values are.
//
// The whole text is validated (json_scanner.hpp), not only what is selected. Names are compared
// unescaped. Where an object has a name twice, each of its members is selected. Values that are
// selected never lie inside one another, since all of them are at the same level.
//
// Ownership: copies the path; the sink must outlive it, and each piece its feed(). Thread rule: one
// thread at a time; the sink is called inside feed() and finish(). Memory: 8 bytes per step of the
// path, and one bit per level of the text.
#pragma once

#include "parse/json_path.hpp"
#include "parse/json_scanner.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>
#include <vector>

namespace millrace::parse {

/// Is told of the selected values, as JSON text exactly as it was in the input.
class JsonSelectSink {
 public:
  /// More of the current value: never empty, without white space around the value.
  virtual void value_piece(std::string_view text) = 0;
  /// The current value is whole. Without it a value broke off: the text was bad or cut short.
  virtual void value_end() = 0;

 protected:
  ~JsonSelectSink() = default;
};

class JsonSelect {
 public:
  using Limits = JsonLimits;

  JsonSelect(const JsonPath& path, JsonSelectSink& sink, Limits limits = {});
  JsonSelect(const JsonSelect&) = delete;
  JsonSelect& operator=(const JsonSelect&) = delete;

  /// Tells the sink what the piece says. What was told before a fault stays told. After a fault
  /// each further call returns the same.
  [[nodiscard]] std::expected<void, JsonFault> feed(std::string_view piece);
  /// The text was whole.
  [[nodiscard]] std::expected<void, JsonFault> finish();
  /// Begins anew, with the next text.
  void reset() noexcept;

 private:
  void on_name() noexcept;
  void on_begin();
  void on_end();
  void flush();
  [[nodiscard]] bool takes_child() noexcept;

  const JsonPath path_;
  JsonSelectSink& sink_;
  JsonScanner scanner_;
  /// Elements so far, of each array on the way that the path leads.
  std::vector<std::uint64_t> elements_;
  std::size_t name_bytes_ = 0;    ///< of the name so far
  bool name_equal_ = true;        ///< so far, to what the path wants
  bool selected_ = false;         ///< the scanner is inside of a selected value
  const char* unsent_ = nullptr;  ///< of it, in the piece
};

}  // namespace millrace::parse
