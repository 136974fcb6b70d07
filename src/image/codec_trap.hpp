// Where the C codecs' errors land.
//
// libjpeg and libpng report errors by calling a function that must not return, so it longjmps. That
// skips destructors, hence the one rule of the files that include this: everything with a
// destructor lives outside of guarded(), and between guarded() and the library only trivial objects
// are on the stack.
#pragma once

#include "base/cancel_check.hpp"
#include "base/error.hpp"

#include <csetjmp>
#include <cstdint>

namespace millrace::image {

struct CodecTrap {
  std::jmp_buf jump;
  Errc errc = Errc::kInternal;
  CancelCheck cancel;
  std::uint32_t warnings_left = 0;

  /// Leaves the innermost guarded(). Only within one.
  [[noreturn]] void leave(Errc why) noexcept {
    errc = why;
    std::longjmp(jump, 1);
  }
  void leave_if_cancelled() noexcept {
    if (cancel.cancelled()) leave(Errc::kCancelled);
  }
};

/// Runs `work(state)`; the reason when it left through the trap.
template <class State>
[[nodiscard, gnu::noinline]] Result<void> guarded(CodecTrap& trap, void (*work)(State&),
                                                  State& state) {
  if (setjmp(trap.jump) != 0) return fail(trap.errc);
  work(state);
  return {};
}

}  // namespace millrace::image
