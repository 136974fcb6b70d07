#include "process/tree.hpp"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <unistd.h>

namespace millrace::process {
namespace {

// A tree that is deeper or wider than this is not counted to its end.
constexpr std::size_t kTreeMax = 1'000;

std::string proc(pid_t pid, std::string_view file) {
  return "/proc/" + std::to_string(pid) + "/" + std::string(file);
}

std::uint64_t resident_of(pid_t pid) {
  std::ifstream in(proc(pid, "statm"));
  std::uint64_t size = 0, resident = 0;
  in >> size >> resident;
  return in ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

void add_children(pid_t pid, std::vector<pid_t>& out) {
  std::error_code error;
  for (std::filesystem::directory_iterator at(proc(pid, "task"), error), end; !error && at != end;
       at.increment(error)) {
    std::ifstream in(at->path() / "children");
    for (pid_t child = 0; out.size() < kTreeMax && in >> child;) out.push_back(child);
  }
}

/// Of /proc/PID/stat: state and group, which stand behind the name in its parentheses.
bool lives_in(pid_t pid, pid_t group) {
  std::ifstream in(proc(pid, "stat"));
  std::string line;
  if (!std::getline(in, line)) return false;
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return false;
  std::istringstream rest(line.substr(name_end + 1));
  char state = 0;
  pid_t parent = 0, its_group = 0;
  rest >> state >> parent >> its_group;
  return rest && its_group == group && state != 'Z' && state != 'X';
}

}  // namespace

std::uint64_t resident_bytes(pid_t pid) {
  std::vector<pid_t> tree{pid};
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < tree.size(); ++i) {
    sum += resident_of(tree[i]);
    add_children(tree[i], tree);
  }
  return sum;
}

bool group_lives(pid_t group) {
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc", error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    pid_t pid = 0;
    const auto [stop, failed] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (failed != std::errc() || stop != name.data() + name.size()) continue;
    if (lives_in(pid, group)) return true;
  }
  return false;
}

}  // namespace millrace::process
