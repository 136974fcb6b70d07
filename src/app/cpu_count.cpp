#include "app/cpu_count.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <string>

#include <sched.h>

namespace millrace::app {
namespace {

std::optional<double> cgroup_v2_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return std::nullopt;
  return std::stod(quota) / period;
}

std::optional<double> cgroup_v1_quota() {
  std::ifstream quota_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  std::ifstream period_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double quota = 0;
  double period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0)
    return std::nullopt;
  return quota / period;
}

unsigned affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<unsigned>(std::max(CPU_COUNT(&set), 1));
}

}  // namespace

unsigned usable_cpus() {
  const unsigned allowed = affinity();
  auto quota = cgroup_v2_quota();
  if (!quota) quota = cgroup_v1_quota();
  if (!quota) return allowed;
  return std::clamp(static_cast<unsigned>(std::ceil(*quota)), 1U, allowed);
}

}  // namespace millrace::app
