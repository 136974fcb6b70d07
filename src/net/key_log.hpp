// The secrets of TLS connections, in the SSLKEYLOGFILE format that Wireshark reads: for debugging
// only, since whoever has the file can read the traffic.
//
// Ownership: owns the file. Thread rule: any thread; one write() per line, which may block.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::net {

class KeyLog {
 public:
  /// Opened for appending, made with mode 0600. The error is "FILE: why".
  [[nodiscard]] static std::expected<std::shared_ptr<KeyLog>, std::string> open(
      const std::string& file);
  explicit KeyLog(int fd) noexcept : fd_(fd) {}
  KeyLog(const KeyLog&) = delete;
  KeyLog& operator=(const KeyLog&) = delete;
  ~KeyLog();

  /// A line without its end. A full disk loses it.
  void write(std::string_view line) noexcept;

 private:
  const int fd_;
};

}  // namespace millrace::net
