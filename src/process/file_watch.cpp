#include "process/file_watch.hpp"

#include <functional>
#include <string>
#include <system_error>

#include <sys/stat.h>

namespace millrace::process {
namespace {

namespace fs = std::filesystem;

/// What of a file changes when it is written or replaced.
std::uint64_t stamp_of(const fs::path& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return 0;
  const std::string text = file.string() + '\0' + std::to_string(info.st_mtim.tv_sec) + '.' +
                           std::to_string(info.st_mtim.tv_nsec) + '\0' +
                           std::to_string(info.st_size) + '\0' + std::to_string(info.st_ino);
  return std::hash<std::string>()(text);
}

bool is_left_out(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name == "__pycache__";
}

/// The order in which a folder lists its files does not matter.
std::uint64_t stamp_below(const fs::path& folder, std::size_t& room) {
  std::uint64_t sum = 0;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; !error && at != end && room > 0;
       at.increment(error), --room) {
    std::error_code ignored;
    if (is_left_out(at->path()))
      at.disable_recursion_pending();
    else if (at->is_regular_file(ignored))
      sum += stamp_of(at->path());
  }
  return sum;
}

}  // namespace

FileWatch::FileWatch(std::vector<std::filesystem::path> paths)
    : paths_(std::move(paths)), settled_(stamp()), last_(settled_) {}

std::uint64_t FileWatch::stamp() const {
  std::uint64_t sum = 0;
  std::size_t room = kFilesMax;
  for (const fs::path& path : paths_) {
    std::error_code error;
    sum += fs::is_directory(path, error) ? stamp_below(path, room) : stamp_of(path);
  }
  return sum;
}

bool FileWatch::changed() {
  const std::uint64_t now = stamp();
  const bool quiet = now == last_;
  last_ = now;
  if (!quiet || now == settled_) return false;
  settled_ = now;
  return true;
}

}  // namespace millrace::process
