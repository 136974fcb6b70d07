#include "net/dns_name.hpp"

#include <algorithm>
#include <charconv>

namespace millrace::net {

namespace {

constexpr std::size_t kLabelBytesMax = 63;
constexpr unsigned kNdotsMax = 15;  // resolv.conf(5)
constexpr std::string_view kBlanks = " \t\r";

bool is_good_label(std::string_view label) noexcept {
  // The underscore is in no host name, and in many a container's.
  return !label.empty() && label.size() <= kLabelBytesMax && std::ranges::all_of(label, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

/// What a lenient parser would take for the end of an IPv4 address: digits, or 0x and hexadecimal
/// ones.
bool is_number(std::string_view label) noexcept {
  const bool hexadecimal = label.starts_with("0x");
  if (hexadecimal) label.remove_prefix(2);
  return std::ranges::all_of(label, [&](char c) {
    return (c >= '0' && c <= '9') || (hexadecimal && c >= 'a' && c <= 'f');
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

/// Cuts the next word off `line`; empty at its end.
std::string_view take_word(std::string_view& line) noexcept {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

void read_domains(SearchList& list, std::string_view line, std::size_t domains_max) {
  list.domains.clear();
  for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
    const std::string domain = lower(without_final_dot(word));
    if (is_dns_name(domain) && list.domains.size() < domains_max) list.domains.push_back(domain);
  }
}

void read_options(SearchList& list, std::string_view line) {
  constexpr std::string_view kNdots = "ndots:";
  for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
    if (!word.starts_with(kNdots)) continue;
    word.remove_prefix(kNdots.size());
    unsigned value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error == std::errc() && end == word.data() + word.size())
      list.ndots = std::min(value, kNdotsMax);
  }
}

}  // namespace

std::string_view without_final_dot(std::string_view name) noexcept {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

bool is_dns_name(std::string_view name) noexcept {
  if (name.size() > kNameBytesMax) return false;
  for (;;) {
    const std::size_t dot = name.find('.');
    if (!is_good_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

std::optional<std::string> normalize_dns_name(std::string_view host) {
  if (without_final_dot(host).size() > kNameBytesMax) return std::nullopt;
  std::string name = lower(host);
  const std::string_view rest = without_final_dot(name);
  if (!is_dns_name(rest) || is_number(rest.substr(rest.rfind('.') + 1))) return std::nullopt;
  return name;
}

std::vector<std::string> SearchList::candidates(std::string_view name) const {
  const bool absolute = name.ends_with('.');
  const std::string self(without_final_dot(name));
  if (absolute || domains.empty()) return {self};
  std::vector<std::string> out;
  for (const std::string& domain : domains)
    if (self.size() + 1 + domain.size() <= kNameBytesMax) out.push_back(self + '.' + domain);
  const bool first = static_cast<unsigned>(std::ranges::count(self, '.')) >= ndots;
  out.insert(first ? out.begin() : out.end(), self);
  return out;
}

SearchList parse_search_list(std::string_view resolv_conf) {
  SearchList list;
  while (!resolv_conf.empty()) {
    const std::size_t end = std::min(resolv_conf.find('\n'), resolv_conf.size());
    std::string_view line = resolv_conf.substr(0, end);
    resolv_conf.remove_prefix(std::min(end + 1, resolv_conf.size()));
    const std::string_view keyword = take_word(line);
    if (keyword == "search") read_domains(list, line, SearchList::kDomainsMax);
    if (keyword == "domain") read_domains(list, line, 1);
    if (keyword == "options") read_options(list, line);
  }
  return list;
}

}  // namespace millrace::net
