// `[process.NAME]`: a service that Millrace itself starts and supervises. Part of config.hpp, whose
// rules on names and units hold here.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace::config {

using std::chrono::milliseconds;

/// A program and its arguments; not a line for a shell.
struct Command {
  std::vector<std::string> words;
  friend bool operator==(const Command&, const Command&) = default;
};

/// Environment variables by name.
struct Variables {
  std::map<std::string, std::string> values;
  friend bool operator==(const Variables&, const Variables&) = default;
};

/// When an instance counts as ready.
struct Ready {
  enum class Kind : std::uint8_t {
    kAnswer,  ///< it answers GET / with whatever is below 500
    kSocket,  ///< it listens
    kPath,    ///< it answers GET `path` with 2xx or 3xx
  };
  Kind kind = Kind::kAnswer;
  std::string path = "/";
  friend bool operator==(const Ready&, const Ready&) = default;
};

/// When an instance is replaced by a fresh one; each give or take a tenth.
struct Recycle {
  std::uint32_t requests = 0;  ///< 0: never
  std::optional<milliseconds> age;
  std::optional<std::uint64_t> rss_bytes;  ///< of the instance and what it has started
  friend bool operator==(const Recycle&, const Recycle&) = default;
};

/// What the kernel allows an instance.
struct ProcessLimits {
  std::optional<std::uint64_t> memory_bytes;
  std::uint32_t files = 0;  ///< 0: what Millrace has itself
  friend bool operator==(const ProcessLimits&, const ProcessLimits&) = default;
};

/// Who is told of trouble.
struct Alert {
  Command command;  ///< empty: none
  std::string url;  ///< empty: none
  friend bool operator==(const Alert&, const Alert&) = default;
};

struct Process {
  Command command;
  std::uint32_t workers = 1;
  Variables environment;
  std::filesystem::path directory;  ///< not set: Millrace's own
  std::string user;                 ///< empty: Millrace's own
  Ready ready;
  milliseconds ready_timeout{60'000};
  milliseconds drain_timeout{30'000};
  milliseconds stop_timeout{10'000};
  std::optional<milliseconds> hang_timeout{60'000};
  Recycle recycle;
  ProcessLimits limits;
  std::vector<std::filesystem::path> watch;
  Alert alert;
  friend bool operator==(const Process&, const Process&) = default;
};

}  // namespace millrace::config
