#include "app/restart_needed.hpp"

namespace millrace::app {

config::Config fixed_part(const config::Config& config) {
  config::Config out;
  out.server.threads = config.server.threads;
  out.admin = config.admin;
  out.offload = config.offload;
  return out;
}

std::vector<std::string> restart_needed(const config::Config& running,
                                        const config::Config& wanted) {
  std::vector<std::string> keys;
  const auto look = [&keys](const char* key, const auto& a, const auto& b) {
    if (!(a == b)) keys.emplace_back(key);
  };
  look("server.threads", running.server.threads, wanted.server.threads);
  look("admin.listen", running.admin.listen, wanted.admin.listen);
  look("offload.threads", running.offload.threads, wanted.offload.threads);
  look("offload.queue", running.offload.queue, wanted.offload.queue);
  look("offload.memory", running.offload.memory_bytes, wanted.offload.memory_bytes);
  return keys;
}

}  // namespace millrace::app
