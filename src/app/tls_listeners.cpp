#include "app/tls_listeners.hpp"

#include "base/log.hpp"
#include "config/certificate_warnings.hpp"
#include "net/file_stamp.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <ctime>
#include <optional>

namespace millrace::app {
namespace {

constexpr auto kWarningInterval = std::chrono::hours(24);
constexpr auto kTicketInterval = std::chrono::minutes(10);

net::ClientAuth to_client_auth(config::ClientAuth auth) {
  switch (auth) {
    case config::ClientAuth::kOptional:
      return net::ClientAuth::kOptional;
    case config::ClientAuth::kRequired:
      return net::ClientAuth::kRequired;
    default:
      return net::ClientAuth::kNone;
  }
}

std::vector<net::FileStamp> stamps_of(const config::TlsListener& listener) {
  std::vector<net::FileStamp> out;
  const auto add = [&out](const std::filesystem::path& file) {
    if (!file.empty()) out.emplace_back(file.string());
  };
  for (const config::CertificateFiles& files : listener.certificates) {
    add(files.certificate);
    add(files.key);
    add(files.ocsp);
  }
  add(listener.client_ca);
  return out;
}

void log_warnings(const config::TlsListener& listener) {
  for (const auto& warning : config::certificate_warnings(listener, std::time(nullptr)))
    log::event(LogLevel::kWarn, "certificate_warning",
               {{"listener", listener.listen.front().text()},
                {"key", warning.key},
                {"warning", warning.text}});
}

}  // namespace

struct TlsListeners::Listener {
  explicit Listener(const config::TlsListener& c) : config(c), stamps(stamps_of(c)) {}

  /// Also remembers how they are now; every one is asked.
  bool files_changed() {
    const TimePoint now = Clock::now();
    const auto changed = [now](net::FileStamp& s) { return s.changed(now); };
    return std::ranges::count_if(stamps, changed) != 0;
  }

  const config::TlsListener& config;
  std::vector<net::FileStamp> stamps;
  std::shared_ptr<net::KeyLog> key_log;
  std::vector<std::optional<net::TlsServer>> first;  // per thread, until taken
};

TlsListeners::TlsListeners(const config::Config& config, unsigned threads, Deliver deliver)
    : threads_(threads),
      deliver_(std::move(deliver)),
      tickets_(std::make_shared<net::TicketKeys>()) {
  for (const config::TlsListener& tls : config.server.tls) listeners_.emplace_back(tls);
}

TlsListeners::~TlsListeners() = default;

std::expected<TlsListeners::Servers, std::string> TlsListeners::make(
    const Listener& listener) const {
  net::TlsServer::Options options{.client_auth = to_client_auth(listener.config.client_auth),
                                  .client_ca_file = listener.config.client_ca,
                                  .http2 = listener.config.http2,
                                  .tickets = tickets_,
                                  .key_log = listener.key_log};
  for (const config::CertificateFiles& files : listener.config.certificates)
    options.certificates.push_back({files.certificate, files.key, files.ocsp});
  Servers servers;
  for (unsigned thread = 0; thread < threads_; ++thread) {
    auto made = net::TlsServer::make(options);
    if (!made) return std::unexpected(made.error());
    servers.push_back(std::move(*made));
  }
  return servers;
}

std::expected<void, std::string> TlsListeners::load() {
  for (Listener& listener : listeners_) {
    if (!listener.config.key_log.empty()) {
      auto opened = net::KeyLog::open(listener.config.key_log);
      if (!opened) return std::unexpected(opened.error());
      listener.key_log = std::move(*opened);
    }
    (void)listener.files_changed();
    auto servers = make(listener);
    if (!servers) return std::unexpected(servers.error());
    for (net::TlsServer& server : *servers) listener.first.emplace_back(std::move(server));
  }
  return {};
}

net::TlsServer TlsListeners::take(const config::TlsListener& listener, unsigned thread) {
  const auto found =
      std::ranges::find(listeners_, &listener, [](const Listener& l) { return &l.config; });
  net::TlsServer server = std::move(*found->first[thread]);
  found->first[thread].reset();
  return server;
}

void TlsListeners::reload(Listener& listener) {
  const std::string name = listener.config.listen.front().text();
  auto servers = make(listener);
  if (!servers) {
    return log::event(LogLevel::kError, "certificates_reload_failed",
                      {{"listener", name}, {"error", servers.error()}});
  }
  for (unsigned thread = 0; thread < threads_; ++thread)
    deliver_(thread, listener.config, std::move((*servers)[thread]));
  log::event(LogLevel::kInfo, "certificates_reloaded",
             {{"listener", name}, {"certificates", listener.config.certificates.size()}});
  log_warnings(listener.config);
}

void TlsListeners::reload() {
  for (Listener& listener : listeners_) {
    (void)listener.files_changed();  // before they are read: what comes later counts anew
    reload(listener);
  }
}

Task<void> TlsListeners::watch(Listener& listener) {
  if (!listener.config.reload_interval) co_return;
  while (co_await sleep_for(*listener.config.reload_interval))
    if (listener.files_changed()) reload(listener);
}

Task<void> TlsListeners::warn_daily() {
  while (co_await sleep_for(kWarningInterval))
    for (const Listener& listener : listeners_) log_warnings(listener.config);
}

Task<void> TlsListeners::tend_tickets() {
  while (co_await sleep_for(kTicketInterval)) tickets_->tend();
}

Task<void> TlsListeners::watch() {
  if (listeners_.empty()) co_return;
  TaskGroup group;
  for (Listener& listener : listeners_) group.spawn(watch(listener));
  group.spawn(warn_daily());
  group.spawn(tend_tickets());
  co_await group.join();
}

}  // namespace millrace::app
