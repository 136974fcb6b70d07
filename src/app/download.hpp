// A body on its way into a file.
//
// It is written to NAME.part and gets its name when it is whole. When the server named a strong
// ETag, or a Last-Modified that is as good (RFC 9110 section 8.8.2.2), a file NAME.part.note keeps
// it with the URL, and what is there already need not be sent again, also in a later run: Range and
// If-Range ask for the rest, and a server where something else lies by now sends all of it. Without
// one an unfinished file is removed.
//
// Files are opened by name in the folder's descriptor and links are not followed, so nothing
// outside of it is touched. Writing blocks the thread, as writing files does. Thread rule: one
// thread.
#pragma once

#include "endpoints/batch_item.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::app {

/// An open descriptor, or none.
class OwnFd {
 public:
  explicit OwnFd(int fd = -1) noexcept : fd_(fd) {}
  OwnFd(OwnFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnFd& operator=(OwnFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnFd();
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

/// Opens the folder, made where there is none. The error is a text for the user.
[[nodiscard]] std::expected<OwnFd, std::string> open_folder(const std::string& path);

class Download final : public endpoints::BodyTaker {
 public:
  struct Place {
    int folder;        ///< its descriptor
    std::string name;  ///< in there
    std::string url;   ///< as it was asked for
  };
  using OnBytes = std::function<void(std::uint64_t)>;

  /// One attempt. `may_resume`: the request is a plain GET.
  Download(Place place, bool may_resume, OnBytes on_bytes);
  Download(const Download&) = delete;
  Download& operator=(const Download&) = delete;
  ~Download() override;

  /// What of the file is there already, and what it must be part of.
  struct Rest {
    std::uint64_t offset;
    std::string validator;
  };
  [[nodiscard]] const std::optional<Rest>& rest() const noexcept { return rest_; }

  Result<void> begin(const client::Response& response) override;
  Task<Result<void>> take(std::string_view piece) override;
  Task<Result<void>> finish() override;

  /// The file has its name.
  [[nodiscard]] bool saved() const noexcept { return saved_; }
  /// What was there did not fit and is gone: the next attempt starts from nothing.
  [[nodiscard]] bool started_over() const noexcept { return started_over_; }
  /// Why a file could not be written; empty: nothing is wrong with files.
  [[nodiscard]] const std::string& fault() const noexcept { return fault_; }

 private:
  void find_rest();
  [[nodiscard]] bool open_part(int flags);
  [[nodiscard]] Result<void> begin_new(const client::Response& response);
  [[nodiscard]] Result<void> begin_rest(const client::Response& response);
  [[nodiscard]] Result<void> file_failed(std::string_view what);
  [[nodiscard]] Result<void> start_over();
  [[nodiscard]] bool write_note(std::string_view validator);
  void remove_part() noexcept;

  const Place place_;
  const std::string part_;
  const std::string note_;
  const OnBytes on_bytes_;
  const bool may_resume_;
  std::optional<Rest> rest_;
  OwnFd file_;
  std::uint64_t written_ = 0;                 // bytes of the whole file
  std::optional<std::uint64_t> whole_bytes_;  // of a 206
  bool wanted_ = false;
  bool resumable_ = false;
  bool saved_ = false;
  bool started_over_ = false;
  std::string fault_;
};

/// What If-Range can rely on: a strong ETag, or a Last-Modified at least a second older than Date.
/// Empty: nothing.
[[nodiscard]] std::string_view strong_validator(const http::Fields& fields,
                                                std::chrono::sys_seconds now) noexcept;

struct ContentRange {
  std::uint64_t first;
  std::uint64_t last;
  std::optional<std::uint64_t> whole;
};
/// "bytes 5-9/10" or "bytes 5-9/*".
[[nodiscard]] std::optional<ContentRange> parse_content_range(std::string_view value) noexcept;

}  // namespace millrace::app
