#include "net/file_stamp.hpp"

#include <utility>

#include <sys/stat.h>

namespace millrace::net {

bool FileStamp::changed(TimePoint now) noexcept {
  if (now < next_check_) return false;
  next_check_ = now + kCheckInterval;
  Identity current;
  struct stat s{};
  if (::stat(path_.c_str(), &s) == 0)
    current = {s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec};
  const bool first = !std::exchange(ever_, true);
  return std::exchange(last_, current) != current || first;
}

}  // namespace millrace::net
