// Heads and trailers as nghttp2 takes them. Connection-specific fields are left out (RFC 9113
// section 8.2.2), Date and Content-Length are generated here.
//
// Ownership: refers to what it was made from until it is submitted. Thread rule: one thread.
#pragma once

#include "h2/nghttp2.hpp"
#include "http/head.hpp"
#include "millrace/client_exchange.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

#include <boost/container/small_vector.hpp>

namespace millrace::h2 {

class HeadWriter {
 public:
  /// `teach_names`: fields whose values never come twice are indexed for once, so that later ones
  /// find their names in the client's table.
  explicit HeadWriter(bool teach_names = false) noexcept : teach_names_(teach_names) {}

  /// An interim head: status and fields.
  void interim(int status, const http::Fields& fields);
  /// A final one. `status` in the place of the head's own.
  void response(int status, const http::ResponseHead& head, bool with_length);
  /// The answer to an extended CONNECT: the tunnel is open (RFC 8441 section 5).
  void tunnel(const http::ResponseHead& head);
  void trailers(const http::Fields& fields);
  /// A request head, its pseudo-fields in front. `length` known gives Content-Length. What may be
  /// secret is kept out of the table, which the requests of many clients share.
  void request(const OutgoingRequest& request, std::string_view scheme, http::BodyLength length);

  [[nodiscard]] const nghttp2_nv* data() const noexcept { return list_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }

 private:
  void add_status(int status) noexcept;
  void add_length(std::uint64_t bytes);
  void add(const http::Field& field);
  void add(std::string_view name, std::string_view value, std::uint8_t flags);

  boost::container::small_vector<nghttp2_nv, 24> list_;
  const bool teach_names_;
  std::array<char, 3> status_;
  std::array<char, 20> length_;
};

}  // namespace millrace::h2
