#include "net/key_log.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

namespace millrace::net {

std::expected<std::shared_ptr<KeyLog>, std::string> KeyLog::open(const std::string& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return std::unexpected(file + ": cannot open the key log: " + std::strerror(errno));
  return std::make_shared<KeyLog>(fd);
}

KeyLog::~KeyLog() {
  ::close(fd_);
}

void KeyLog::write(std::string_view line) noexcept {
  char end = '\n';
  // In one call, so that lines of several threads stay whole (O_APPEND).
  const iovec pieces[]{{const_cast<char*>(line.data()), line.size()}, {&end, 1}};
  (void)!::writev(fd_, pieces, 2);
}

}  // namespace millrace::net
