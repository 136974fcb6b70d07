// File names for what URLs give: the last segment of the path, made safe.
//
// Thread rule: pure functions; FileNames is used on one thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

namespace millrace::app {

/// Leaves room for a number and the suffixes of unfinished files within NAME_MAX.
inline constexpr std::size_t kFileNameBytesMax = 200;
inline constexpr std::string_view kPartSuffix = ".part";
inline constexpr std::string_view kPartNoteSuffix = ".part.note";

/// A name for one file in a folder, whatever the URL: no separators, no controls, not hidden, never
/// "." or "..", not that of an unfinished file. "index.html" where the path ends in '/'.
/// `target`: path and query of a URL.
[[nodiscard]] std::string file_name_of(std::string_view target);

/// Names that differ: the second "a.txt" is "a-2.txt".
class FileNames {
 public:
  [[nodiscard]] std::string claim(std::string_view target);

 private:
  std::unordered_set<std::string> taken_;
};

}  // namespace millrace::app
