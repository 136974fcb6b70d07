// Small files of the system: /etc/hosts, /etc/resolv.conf.
#pragma once

#include <cstddef>
#include <string>

namespace millrace::net {

/// What `path` has, cut at `bytes_max`; empty when it cannot be read. Blocks for the moment that a
/// local file of a few lines takes.
[[nodiscard]] std::string read_text_file(const std::string& path, std::size_t bytes_max);

}  // namespace millrace::net
