// Names as DNS has them, and the search list of resolv.conf(5) that completes short ones.
//
// Pure functions. Thread rule: any.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::net {

inline constexpr std::size_t kNameBytesMax = 253;  // RFC 1035 section 2.3.4

/// In lower case, without a final dot: labels of letters, digits, `-` and `_`, at most 63 bytes
/// each.
[[nodiscard]] bool is_dns_name(std::string_view name) noexcept;

/// A host's name in lower case, a final dot kept: it says that the search list is not meant.
/// nullopt: no name, or one whose last label is a number, so that 127.1 or 0x7f.1 never means an
/// address to anybody.
[[nodiscard]] std::optional<std::string> normalize_dns_name(std::string_view host);

[[nodiscard]] std::string_view without_final_dot(std::string_view name) noexcept;

struct SearchList {
  /// Kubernetes allows as many.
  static constexpr std::size_t kDomainsMax = 32;

  std::vector<std::string> domains;
  /// Names with as many dots are tried as they are before the list, others after it.
  unsigned ndots = 1;

  /// The absolute names that `name` may stand for, in the order in which to try them. `name` is
  /// normalised; with a final dot it stands for itself alone.
  [[nodiscard]] std::vector<std::string> candidates(std::string_view name) const;

  friend bool operator==(const SearchList&, const SearchList&) = default;
};

/// The `search`, `domain` (the last of either counts) and `options ndots:N` lines of a
/// resolv.conf; what is wrong is left out.
[[nodiscard]] SearchList parse_search_list(std::string_view resolv_conf);

}  // namespace millrace::net
