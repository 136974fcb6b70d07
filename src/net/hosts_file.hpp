// /etc/hosts as a map (hosts(5)): c-ares would read the file again for each lookup.
//
// Thread rule: one thread. Reading blocks, for the moment that a local file of a few lines takes.
#pragma once

#include "net/address.hpp"
#include "net/file_stamp.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::net {

/// Lower-case names to their addresses, in the order of the file.
using HostsMap = std::map<std::string, std::vector<IpAddress>, std::less<>>;

/// Lines without a good address and empty lines are skipped, `#` begins a comment.
[[nodiscard]] HostsMap parse_hosts(std::string_view text);

class HostsFile {
 public:
  /// What is behind that is not read: block lists of ad servers have a few MiB.
  static constexpr std::size_t kBytesMax = std::size_t{16} * 1024 * 1024;

  explicit HostsFile(std::string path) : stamp_(std::move(path)) {}

  /// The addresses of a lower-case name, or nullptr; good until the next call. Reads the file again
  /// when it has changed, which is looked at once a second. A file that cannot be read is an empty
  /// one.
  [[nodiscard]] const std::vector<IpAddress>* find(std::string_view name, TimePoint now);

 private:
  FileStamp stamp_;
  HostsMap map_;
};

}  // namespace millrace::net
