#include "app/log_part.hpp"

#include <cstring>
#include <utility>

namespace millrace::app {

log::Options to_log_options(const config::Log& config) {
  using Kind = config::AccessLog::Kind;
  using Access = log::Options::Access;
  log::Options options;
  options.access = config.access.kind == Kind::kOff    ? Access::kOff
                   : config.access.kind == Kind::kFile ? Access::kFile
                                                       : Access::kStderr;
  options.file = config.access.file;
  options.format = config.format == config::LogFormat::kJson       ? log::Format::kJson
                   : config.format == config::LogFormat::kCombined ? log::Format::kCombined
                                                                   : log::Format::kAuto;
  options.level = config.level;
  return options;
}

std::expected<void, std::string> LogPart::prepare(const config::Config& next) {
  const log::Options options = to_log_options(next.log);
  auto change = log::Logger::prepare(options);
  if (!change)
    return std::unexpected("cannot open the access log " + options.file + ": " +
                           std::strerror(change.error().os_error));
  change_ = std::move(*change);
  return {};
}

void LogPart::commit(const config::Config&, const std::shared_ptr<const config::Config>&) {
  log_.change(std::move(*change_));
  change_.reset();
}

}  // namespace millrace::app
