// What it takes to ask for the rest of a body that broke off (RFC 9110 sections 13.1.5 and 14.2),
// and whether an answer is that rest. Nothing of two representations may be mixed: where there is
// doubt, it is not.
//
// Thread rule: pure functions and values.
#pragma once

#include "http/head.hpp"
#include "http/method.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace millrace::client {

/// The head of an answer.
struct AnswerHead {
  int status = 0;
  const http::Fields& fields;
  http::BodyLength length;  ///< as it came over the wire
};

class ResumePoint {
 public:
  /// A Last-Modified is a validator only if the answer was made this much later: until then it may
  /// have been modified a second time within the same second (RFC 9110 section 8.8.2.2; the
  /// minute is RFC 7232's, for clocks that differ).
  static constexpr auto kLastModifiedAge = std::chrono::seconds(60);

  /// nullopt: the rest of this answer cannot be asked for. It can of a 200, and of a 206 that has
  /// everything from some byte on; both to a GET, with a strong ETag, or with no ETag and a
  /// Last-Modified that is old enough; and not with `Accept-Ranges: none`. `now`: for dates with
  /// two-digit years.
  [[nodiscard]] static std::optional<ResumePoint> of(http::Method method, const AnswerHead& answer,
                                                     std::chrono::sys_seconds now);

  /// The value of If-Range.
  [[nodiscard]] const std::string& validator() const noexcept { return validator_; }
  /// The value of Range after so many bytes of the body.
  [[nodiscard]] std::string range_from(std::uint64_t received) const;
  /// Is this the body from there on to its end, of the same representation? Then the total is
  /// known from here on.
  [[nodiscard]] bool is_continued_by(const AnswerHead& answer, std::uint64_t received);
  /// How long the body is in all; nullopt: nobody has said.
  [[nodiscard]] std::optional<std::uint64_t> body_bytes() const noexcept;

 private:
  std::string validator_;
  bool is_etag_ = false;
  std::string coding_;                  // Content-Encoding
  std::uint64_t first_ = 0;             // where the body begins in the representation
  std::optional<std::uint64_t> total_;  // of the representation
};

}  // namespace millrace::client
