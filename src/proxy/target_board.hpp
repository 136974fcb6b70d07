// The upstreams of the process by name: what io threads share, kept across reloads, so that a new
// configuration begins with what the old one knew of the same targets.
//
//   auto state = board.upstream("ml");
//   state->publish({{.name = "ml/0", .origin = {.unix_path = "/run/.../0.sock"}}});
//   ... later, without it: publish(...), then wait until state->in_flight("ml/0") is 0.
//
// Thread rule: any thread. Ownership: the application's; states are shared.
#pragma once

#include "proxy/sticky.hpp"
#include "proxy/upstream_state.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::proxy {

class TargetBoard {
 public:
  TargetBoard() = default;
  TargetBoard(const TargetBoard&) = delete;
  TargetBoard& operator=(const TargetBoard&) = delete;

  /// Made at need. Never null.
  [[nodiscard]] std::shared_ptr<UpstreamState> upstream(std::string_view name);
  /// nullptr: there is none of that name.
  [[nodiscard]] std::shared_ptr<UpstreamState> find(std::string_view name) const;
  /// For sticky cookies without a secret of their own: this process's.
  [[nodiscard]] const std::string& sticky_secret() const noexcept { return sticky_secret_; }
  /// All of them, by name.
  [[nodiscard]] std::vector<std::shared_ptr<UpstreamState>> all() const;
  /// Forgets those for which `keep(name)` is false: after a reload. Who uses one has it on.
  template <class Keep>
  void retain(Keep keep) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(upstreams_, [&](const auto& entry) { return !keep(entry.first); });
  }

 private:
  const std::string sticky_secret_ = random_secret();
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<UpstreamState>, std::less<>> upstreams_;
};

}  // namespace millrace::proxy
