#include "endpoints/timed_work.hpp"

#include <cstdio>

namespace millrace::endpoints {

std::string WorkTimes::server_timing(TimePoint began) const {
  const auto ms = [](Duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
  char text[160];
  const int size = std::snprintf(text, sizeof text,
                                 "read;dur=%.2f, queue;dur=%.2f, work;dur=%.2f, total;dur=%.2f",
                                 ms(read), ms(queue), ms(work), ms(Clock::now() - began));
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace millrace::endpoints
