// Something that lives as long as the process and follows its configuration through reloads.
//
// All parts prepare, each may refuse; then all commit, or all abandon. Between prepare and the
// other two the io threads are asked, so turns pass.
//
// Thread rule: the control thread. None of them blocks.
#pragma once

#include "config/config.hpp"

#include <expected>
#include <memory>
#include <string>

namespace millrace::app {

class ReloadPart {
 public:
  virtual ~ReloadPart() = default;
  /// Gets ready for `next` without a change that can be seen. The error is one line for a person.
  [[nodiscard]] virtual std::expected<void, std::string> prepare(const config::Config& next) = 0;
  /// What was prepared is not wanted. Also called for a part that has refused or was not asked.
  virtual void abandon() noexcept = 0;
  /// From now on `next` counts; `before` is what counted until now.
  virtual void commit(const config::Config& before,
                      const std::shared_ptr<const config::Config>& next) = 0;
  /// Every io thread serves with it now.
  virtual void committed() {}
};

}  // namespace millrace::app
