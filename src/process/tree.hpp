// What /proc says of a child and those it has started.
//
// Thread rule: any; reads files of /proc, which never block.
#pragma once

#include <cstdint>

#include <sys/types.h>

namespace millrace::process {

/// Resident memory of `pid` and all its descendants; what they share counts for each. 0: gone.
[[nodiscard]] std::uint64_t resident_bytes(pid_t pid);

/// Is there a process in group `group`, other than zombies?
[[nodiscard]] bool group_lives(pid_t group);

}  // namespace millrace::process
