#include "net/hosts_file.hpp"

#include "net/text_file.hpp"

#include <algorithm>

namespace millrace::net {

namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";

/// Cuts the next word off `line`; empty at its end.
std::string_view take_word(std::string_view& line) noexcept {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

void add_line(HostsMap& map, std::string_view line) {
  line = line.substr(0, line.find('#'));
  const auto address = IpAddress::parse(take_word(line));
  if (!address) return;
  for (std::string_view name = take_word(line); !name.empty(); name = take_word(line)) {
    std::vector<IpAddress>& list = map[lower(name)];
    if (std::ranges::find(list, *address) == list.end()) list.push_back(*address);
  }
}

}  // namespace

HostsMap parse_hosts(std::string_view text) {
  HostsMap map;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    add_line(map, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return map;
}

const std::vector<IpAddress>* HostsFile::find(std::string_view name, TimePoint now) {
  if (stamp_.changed(now)) map_ = parse_hosts(read_text_file(stamp_.path(), kBytesMax));
  const auto it = map_.find(name);
  return it == map_.end() ? nullptr : &it->second;
}

}  // namespace millrace::net
