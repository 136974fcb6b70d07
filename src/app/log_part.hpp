// The log's part of a reload: another file, format or level.
#pragma once

#include "app/reload_part.hpp"
#include "base/log.hpp"

#include <optional>

namespace millrace::app {

[[nodiscard]] log::Options to_log_options(const config::Log& config);

class LogPart final : public ReloadPart {
 public:
  /// `log` must outlive it.
  explicit LogPart(log::Logger& log) noexcept : log_(log) {}

  [[nodiscard]] std::expected<void, std::string> prepare(const config::Config& next) override;
  void abandon() noexcept override { change_.reset(); }
  void commit(const config::Config& before,
              const std::shared_ptr<const config::Config>& next) override;

 private:
  log::Logger& log_;
  std::optional<log::Logger::Change> change_;
};

}  // namespace millrace::app
