// The fields of a message: an ordered list of (name, value) views, names compared without case
// (RFC 9110 section 5). Lookups by FieldId are an integer comparison per field.
//
// Ownership: `add` keeps views; the bytes must outlive the list (a connection's read buffer, a
// literal). `add_copy` copies into the list's own arena. Lists are movable, not copyable.
// Thread rule: one thread at a time.
#pragma once

#include "http/text_arena.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

#include <boost/container/small_vector.hpp>

namespace millrace::http {

/// Names that some code of ours looks for. kOther: any other name.
enum class FieldId : std::uint8_t {
  kOther,
  kAccept,
  kAcceptCharset,
  kAcceptEncoding,
  kAcceptLanguage,
  kAge,
  kAllow,
  kAuthorization,
  kCacheControl,
  kConnection,
  kContentDisposition,
  kContentEncoding,
  kContentLength,
  kContentSecurityPolicy,
  kContentType,
  kCookie,
  kDate,
  kETag,
  kExpect,
  kForwarded,
  kHost,
  kHttp2Settings,
  kIfMatch,
  kIfModifiedSince,
  kIfNoneMatch,
  kIfRange,
  kIfUnmodifiedSince,
  kKeepAlive,
  kLastModified,
  kLocation,
  kOrigin,
  kPriority,
  kProxyAuthenticate,
  kProxyAuthenticationInfo,
  kProxyAuthorization,
  kProxyConnection,
  kProxyStatus,
  kRange,
  kReferer,
  kRetryAfter,
  kServer,
  kServerTiming,
  kSetCookie,
  kTe,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kUserAgent,
  kVary,
  kVia,
  kWwwAuthenticate,
  kXContentTypeOptions,
  kXForwardedFor,
  kXForwardedHost,
  kXForwardedProto,
  kXQueueTime,
  kXRequestDeadline,
  kXRequestId,
  kCount_
};

/// The id of `name`, in any case. O(length): a switch on length and first letter, then one compare.
[[nodiscard]] FieldId field_id(std::string_view name) noexcept;
/// The canonical spelling ("Content-Length"); empty for kOther.
[[nodiscard]] std::string_view field_name(FieldId id) noexcept;
/// The same in lower case, as HTTP/2 wants it.
[[nodiscard]] std::string_view lower_field_name(FieldId id) noexcept;

struct Field {
  std::string_view name;
  std::string_view value;  ///< without leading or trailing white space
  FieldId id = FieldId::kOther;
};

class Fields {
 public:
  Fields() = default;
  Fields(Fields&&) noexcept = default;
  Fields& operator=(Fields&&) noexcept = default;

  void add(FieldId id, std::string_view value) { list_.push_back({field_name(id), value, id}); }
  void add(std::string_view name, std::string_view value) {
    list_.push_back({name, value, field_id(name)});
  }
  /// For parsers that know the id already.
  void add(const Field& field) { list_.push_back(field); }
  void add_copy(FieldId id, std::string_view value) { add(id, arena_.copy(value)); }
  void add_copy(std::string_view name, std::string_view value) {
    add(arena_.copy(name), arena_.copy(value));
  }
  /// Removes every field with this id, then adds one.
  void set(FieldId id, std::string_view value);
  void set_copy(FieldId id, std::string_view value) { set(id, arena_.copy(value)); }
  void remove(FieldId id) noexcept;
  void clear() noexcept {
    list_.clear();
    arena_.clear();
  }

  /// The first value; nullptr when there is none.
  [[nodiscard]] const Field* find(FieldId id) const noexcept;
  [[nodiscard]] const Field* find(std::string_view name) const noexcept;
  [[nodiscard]] std::string_view value_or(FieldId id, std::string_view otherwise) const noexcept;
  [[nodiscard]] bool has(FieldId id) const noexcept { return find(id) != nullptr; }
  [[nodiscard]] std::size_t count(FieldId id) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  [[nodiscard]] auto begin() const noexcept { return list_.begin(); }
  [[nodiscard]] auto end() const noexcept { return list_.end(); }
  /// Text that lives as long as the list.
  [[nodiscard]] TextArena& arena() noexcept { return arena_; }

 private:
  boost::container::small_vector<Field, 24> list_;
  TextArena arena_;
};

/// Does a comma-separated list value (`Connection`, `Transfer-Encoding`...) hold `token`, without
/// case?
[[nodiscard]] bool list_has_token(std::string_view list, std::string_view token) noexcept;

}  // namespace millrace::http
