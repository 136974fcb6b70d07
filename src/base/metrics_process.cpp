#include "base/metrics.hpp"

#include <cstdio>
#include <ctime>
#include <filesystem>

#include <sys/resource.h>
#include <unistd.h>

namespace millrace::metrics {
namespace {

double cpu_seconds() noexcept {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double resident_bytes() noexcept {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long size = 0, resident = 0;
  const int fields = std::fscanf(file, "%lu %lu", &size, &resident);
  std::fclose(file);
  if (fields != 2) return 0;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_fds() {
  std::error_code ec;
  double count = 0;
  std::filesystem::directory_iterator it("/proc/self/fd", ec);
  for (; !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) ++count;
  return count > 0 ? count - 1 : 0;  // not the one that is reading
}

double max_fds() noexcept {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

double read_start_seconds() noexcept {
  // Field 22 of /proc/self/stat, in ticks since boot. Field 2, the name, is ours: no parenthesis.
  std::FILE* file = std::fopen("/proc/self/stat", "re");
  if (file == nullptr) return 0;
  unsigned long long ticks = 0;
  const int fields = std::fscanf(
      file,
      "%*d (%*[^\n)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
      "%*d %*d %llu",
      &ticks);
  std::fclose(file);
  if (fields != 1) return 0;
  timespec now{}, boot{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  const auto seconds = [](const timespec& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
  };
  return seconds(now) - seconds(boot) +
         static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

std::array<Sample, 5> process_samples() {
  // Read once: afterwards the clock may be set.
  static const double start = read_start_seconds();
  return {{{Metric::kProcessCpu, cpu_seconds()},
           {Metric::kProcessResident, resident_bytes()},
           {Metric::kProcessOpenFds, open_fds()},
           {Metric::kProcessMaxFds, max_fds()},
           {Metric::kProcessStart, start}}};
}

}  // namespace millrace::metrics
