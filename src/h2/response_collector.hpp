// Collects the fields of a response head (interim or final) as HPACK decodes them: `:status`, then
// fields (RFC 9113 section 8.3.2). Values are not copied: nghttp2 counts references to them.
//
// Ownership: the fields' views live until clear(). Thread rule: one thread.
#pragma once

#include "base/error.hpp"
#include "h2/nghttp2.hpp"
#include "http/gate.hpp"

#include <cstddef>

#include <boost/container/small_vector.hpp>

namespace millrace::h2 {

class ResponseCollector {
 public:
  explicit ResponseCollector(const http::HeadLimits& limits) noexcept : limits_(limits) {}

  /// False: so much was thrown away that the connection must end.
  [[nodiscard]] bool add(nghttp2_rcbuf* name, nghttp2_rcbuf* value, http::Fields& fields);
  /// The head is complete: its status. Errors: kUpstreamHeadTooLarge; kUpstreamBadMessage for
  /// pseudo-fields other than one `:status` in front, a status that is no number of three digits,
  /// and fields that HTTP/2 does not allow.
  [[nodiscard]] Result<int> finish() const;
  /// For the next head.
  void clear() noexcept;

 private:
  void add_pseudo(std::string_view name, std::string_view value) noexcept;

  const http::HeadLimits& limits_;
  boost::container::small_vector<HeaderText, 32> held_;
  std::size_t bytes_ = 0;
  std::size_t count_ = 0;
  int status_ = 0;
  Errc fault_ = Errc::kCount_;  // kCount_: none
  bool has_fields_ = false;
};

}  // namespace millrace::h2
