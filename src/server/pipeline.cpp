#include "server/pipeline.hpp"

namespace millrace::server {

void ServerPipeline::set_draining() noexcept {
  draining_ = true;
  while (!drain_watchers_.empty()) {
    DrainWatcher& watcher = drain_watchers_.front();
    drain_watchers_.pop_front();
    watcher.draining();
  }
}

}  // namespace millrace::server
