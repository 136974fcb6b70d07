#include "app/file_name.hpp"

#include "http/ascii.hpp"
#include "parse/utf8.hpp"

#include <algorithm>

namespace millrace::app {
namespace {

constexpr std::string_view kIndex = "index.html";
/// What begins later than this from the end is no extension.
constexpr std::size_t kExtensionBytesMax = 16;

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && text.size() - i > 2;
    const int high = escape ? http::hex_digit(text[i + 1]) : -1;
    const int low = escape ? http::hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

bool is_safe(char c) noexcept {
  constexpr std::string_view kUnsafe = "/\\:*?\"<>|";
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte != 0x7f && kUnsafe.find(c) == std::string_view::npos;
}

std::size_t extension_begin(std::string_view name) noexcept {
  const std::size_t dot = name.rfind('.');
  const bool extension =
      dot != std::string_view::npos && dot != 0 && name.size() - dot <= kExtensionBytesMax;
  return extension ? dot : name.size();
}

// Not in the middle of a character.
void cut(std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) --bytes_max;
  text.resize(bytes_max);
}

}  // namespace

std::string file_name_of(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  std::string name = percent_decoded(path.substr(path.rfind('/') + 1));
  if (!parse::is_utf8(name))
    std::ranges::replace_if(name, [](char c) { return (c & 0x80) != 0; }, '_');
  std::ranges::replace_if(name, [](char c) { return !is_safe(c); }, '_');
  for (std::size_t i = 0; i < name.size() && (name[i] == '.' || name[i] == ' '); ++i) name[i] = '_';
  while (!name.empty() && (name.back() == ' ' || name.back() == '.')) name.pop_back();
  if (name.empty()) return std::string(kIndex);
  if (name.size() > kFileNameBytesMax) {
    const std::string extension = name.substr(extension_begin(name));
    cut(name, kFileNameBytesMax - extension.size());
    name += extension;
  }
  if (name.ends_with(kPartSuffix) || name.ends_with(kPartNoteSuffix)) name += '_';
  return name;
}

std::string FileNames::claim(std::string_view target) {
  const std::string name = file_name_of(target);
  if (taken_.insert(name).second) return name;
  const std::size_t dot = extension_begin(name);
  for (unsigned n = 2;; ++n) {
    std::string other = name.substr(0, dot) + "-" + std::to_string(n) + name.substr(dot);
    if (taken_.insert(other).second) return other;
  }
}

}  // namespace millrace::app
