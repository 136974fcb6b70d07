#include "proxy/spill_file.hpp"

#include <cerrno>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace millrace::proxy {
namespace {

/// Of the pool's memory; the bytes themselves lie in their owner's buffers.
constexpr std::uint64_t kJobCost = 0;

// Not every file system knows files that never had a name.
int open_unnamed(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return fd;
  std::string name = folder / "millrace-XXXXXX";
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

/// 0, or the errno.
int write_all(int fd, std::uint64_t offset, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0 ? EIO : errno;
    offset += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

struct Written {
  int fd = -1;
  int os_error = 0;
};

Written open_and_write(int fd, const std::filesystem::path& folder, std::uint64_t offset,
                       std::span<const char> bytes) {
  if (fd < 0) fd = open_unnamed(folder);
  if (fd < 0) return {.os_error = errno};
  return {.fd = fd, .os_error = write_all(fd, offset, bytes)};
}

}  // namespace

SpillFile::~SpillFile() {
  if (fd_ >= 0) ::close(fd_);
}

Task<Result<void>> SpillFile::append(const std::filesystem::path& folder,
                                     std::span<const char> bytes) {
  const auto work = [this, &folder, bytes](const CancelToken&) {
    const Written written = open_and_write(fd_, folder, size_, bytes);
    fd_ = written.fd >= 0 ? written.fd : fd_;
    return written.os_error;
  };
  const Result<int> os_error = co_await pool_.run(kJobCost, work);
  if (!os_error) co_return fail(os_error.error());
  if (*os_error != 0) co_return fail(Errc::kIo, *os_error);
  size_ += bytes.size();
  co_return Result<void>{};
}

Task<Result<std::size_t>> SpillFile::read(std::uint64_t offset, std::span<char> room) {
  const auto work = [fd = fd_, offset, room](const CancelToken&) {
    const ssize_t n = ::pread(fd, room.data(), room.size(), static_cast<off_t>(offset));
    return n > 0 ? static_cast<long>(n) : -static_cast<long>(n == 0 ? EIO : errno);
  };
  const Result<long> n = co_await pool_.run(kJobCost, work);
  if (!n) co_return fail(n.error());
  if (*n < 0) co_return fail(Errc::kIo, static_cast<int>(-*n));
  co_return static_cast<std::size_t>(*n);
}

}  // namespace millrace::proxy
