// How many CPUs this process may really use.
#pragma once

namespace millrace::app {

/// The smaller of the CPU affinity and the cgroup (v2 or v1) quota, rounded up; at least 1.
[[nodiscard]] unsigned usable_cpus();

}  // namespace millrace::app
