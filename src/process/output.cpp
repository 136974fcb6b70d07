#include "process/output.hpp"

#include <array>
#include <cerrno>

#include <unistd.h>

namespace millrace::process {
namespace {

constexpr std::size_t kReadBytes = std::size_t{16} * 1024;
// What is still in the pipe when its reader is told to end: a pipe holds so much at most.
constexpr int kLastReadsMax = 64;

enum class Outcome : std::uint8_t { kSome, kNothing, kEnd };

Outcome read_once(const Descriptor& pipe, LineCutter& cutter, const LineCutter::Sink& sink) {
  std::array<char, kReadBytes> buffer;
  for (;;) {
    const ssize_t n = ::read(pipe.fd(), buffer.data(), buffer.size());
    if (n > 0) {
      cutter.feed({buffer.data(), static_cast<std::size_t>(n)}, sink);
      return Outcome::kSome;
    }
    if (n == 0) return Outcome::kEnd;
    if (errno == EINTR) continue;
    return errno == EAGAIN ? Outcome::kNothing : Outcome::kEnd;
  }
}

}  // namespace

void LineCutter::put(std::string_view part, const Sink& sink) {
  while (held_.size() + part.size() > kPieceMax) {
    const std::size_t room = kPieceMax - held_.size();
    held_.append(part.substr(0, room));
    part.remove_prefix(room);
    sink(held_);
    held_.clear();
  }
  held_.append(part);
}

void LineCutter::finish(const Sink& sink) {
  if (held_.ends_with('\r')) held_.pop_back();
  if (!held_.empty()) sink(held_);
  held_.clear();
}

void LineCutter::feed(std::string_view bytes, const Sink& sink) {
  for (;;) {
    const std::size_t end = bytes.find('\n');
    put(bytes.substr(0, end), sink);
    if (end == std::string_view::npos) return;
    finish(sink);
    bytes.remove_prefix(end + 1);
  }
}

// Between two reads others have their turn: who floods the log holds up nobody.
Task<void> read_lines(Descriptor& pipe, LineCutter::Sink sink) {
  LineCutter cutter;
  for (;;) {
    const Outcome outcome = read_once(pipe, cutter, sink);
    if (outcome == Outcome::kEnd) break;
    if (outcome == Outcome::kNothing) pipe.drained(Direction::kRead);
    if (co_await pipe.readable()) continue;
    for (int i = 0; i < kLastReadsMax; ++i)
      if (read_once(pipe, cutter, sink) != Outcome::kSome) break;
    break;
  }
  cutter.finish(sink);
}

}  // namespace millrace::process
