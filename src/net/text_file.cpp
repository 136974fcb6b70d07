#include "net/text_file.hpp"

#include <algorithm>
#include <array>
#include <fstream>

namespace millrace::net {

std::string read_text_file(const std::string& path, std::size_t bytes_max) {
  std::string text;
  std::ifstream in(path, std::ios::binary);
  std::array<char, 4096> block{};
  while (text.size() < bytes_max) {
    in.read(block.data(),
            static_cast<std::streamsize>(std::min(block.size(), bytes_max - text.size())));
    if (in.gcount() <= 0) break;
    text.append(block.data(), static_cast<std::size_t>(in.gcount()));
  }
  return text;
}

}  // namespace millrace::net
