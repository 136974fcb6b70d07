// Has one of these files changed? Times, sizes and names are compared, not contents; of a folder
// everything below it counts but hidden names and __pycache__. Polled: it works on every file
// system, containers' mounts too.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace millrace::process {

class FileWatch {
 public:
  /// What is beyond it is not looked at.
  static constexpr std::size_t kFilesMax = 5'000;

  /// Remembers how things are now.
  explicit FileWatch(std::vector<std::filesystem::path> paths);

  /// True once after a change that is over: two looks in a row have seen the same. An editor or a
  /// deployment writes several files.
  [[nodiscard]] bool changed();

 private:
  [[nodiscard]] std::uint64_t stamp() const;

  const std::vector<std::filesystem::path> paths_;
  std::uint64_t settled_;
  std::uint64_t last_;
};

}  // namespace millrace::process
