// Collects the fields of a request head as HPACK decodes them, and puts the pseudo-fields in their
// places (RFC 9113 section 8.3). nghttp2 is told not to judge messages: the gate does, as it does
// for HTTP/1.
//
// Values are not copied: nghttp2 counts references to them, so that a head made of a hundred
// references to one large table entry (an "HPACK bomb") costs a hundred pointers. Over a limit
// nothing more is kept; nghttp2 knows no limit of its own.
//
// Ownership: the fields' views live as long as the collector. Thread rule: one thread.
#pragma once

#include "base/error.hpp"
#include "h2/nghttp2.hpp"
#include "http/gate.hpp"
#include "http/priority.hpp"

#include <cstddef>

#include <boost/container/small_vector.hpp>

namespace millrace::h2 {

/// What a field counts for in SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 section 6.5.2).
[[nodiscard]] constexpr std::size_t http2_size(const http::Field& field) noexcept {
  constexpr std::size_t kOverheadBytes = 32;
  return field.name.size() + field.value.size() + kOverheadBytes;
}

class HeadCollector {
 public:
  explicit HeadCollector(const http::HeadLimits& limits) noexcept : limits_(limits) {}

  /// What the pseudo-fields said.
  http::RawRequest raw;
  /// What the Priority fields said.
  http::Priority priority;

  /// Decoded, as SETTINGS_MAX_HEADER_LIST_SIZE counts.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// False: so much was thrown away that the connection must end.
  [[nodiscard]] bool add(nghttp2_rcbuf* name, nghttp2_rcbuf* value, http::Fields& fields);
  /// The head is complete: puts cookie crumbs together (RFC 9113 section 8.2.3). Errors: a limit
  /// was exceeded; kBadField for pseudo-fields that are unknown, repeated, empty, missing, or
  /// behind a field.
  [[nodiscard]] Result<void> finish(http::Fields& fields);

 private:
  void add_pseudo(std::string_view name, std::string_view value) noexcept;
  [[nodiscard]] std::string_view* place_of(std::string_view name) noexcept;
  void add_field(std::string_view name, std::string_view value, http::Fields& fields);
  [[nodiscard]] bool is_complete() const noexcept;

  const http::HeadLimits limits_;  // of its own: a reload may come amid a head
  boost::container::small_vector<HeaderText, 32> held_;
  std::string_view scheme_;
  std::size_t bytes_ = 0;
  std::size_t count_ = 0;
  std::size_t cookies_ = 0;
  Errc fault_ = Errc::kCount_;  // kCount_: none
  bool has_fields_ = false;
};

}  // namespace millrace::h2
