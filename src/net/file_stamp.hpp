// Has a small configuration file changed? Asks the kernel at most once a second.
//
// Thread rule: one thread. stat() may block; meant for files on local disks, as /etc/hosts.
#pragma once

#include "runtime/deadline_wheel.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace millrace::net {

class FileStamp {
 public:
  static constexpr auto kCheckInterval = std::chrono::seconds(1);

  explicit FileStamp(std::string path) : path_(std::move(path)) {}

  /// True at the first call, and when the file appeared, vanished or changed since the last true.
  [[nodiscard]] bool changed(TimePoint now) noexcept;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  struct Identity {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = -1, modified_s = 0, modified_ns = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };

  std::string path_;
  Identity last_;
  bool ever_ = false;
  TimePoint next_check_ = TimePoint::min();
};

}  // namespace millrace::net
