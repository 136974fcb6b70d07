// Collects the fields of a request head as HPACK decodes them.
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

#include <cstddef>

#include <boost/container/small_vector.hpp>

namespace millrace::h2 {

class HeadCollector {
 public:
  /// What the pseudo-fields said.
  http::RawRequest raw;

  /// False: so much was thrown away that the connection must end.
  [[nodiscard]] bool add(nghttp2_rcbuf* name, nghttp2_rcbuf* value, const http::HeadLimits& limits,
                         http::Fields& fields);
  /// nghttp2 found the field malformed. False: as add().
  [[nodiscard]] bool add_invalid(const http::HeadLimits& limits) noexcept;
  /// The head is complete: puts cookie crumbs together (RFC 9113 section 8.2.3). Error: a limit was
  /// exceeded, or a field is malformed.
  [[nodiscard]] Result<void> finish(http::Fields& fields);

 private:
  void add_pseudo(std::string_view name, std::string_view value) noexcept;

  boost::container::small_vector<HeaderText, 32> held_;
  std::size_t bytes_ = 0;
  std::size_t count_ = 0;
  std::size_t cookies_ = 0;
  Errc fault_ = Errc::kCount_;  // kCount_: none
};

}  // namespace millrace::h2
