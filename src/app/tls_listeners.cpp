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
  Listener(std::size_t i, const config::TlsListener& c)
      : index(i), config(c), stamps(stamps_of(c)) {}

  /// Also remembers how they are now; every one is asked.
  bool files_changed() {
    const TimePoint now = Clock::now();
    const auto changed = [now](net::FileStamp& s) { return s.changed(now); };
    return std::ranges::count_if(stamps, changed) != 0;
  }

  const std::size_t index;
  const config::TlsListener config;
  std::vector<net::FileStamp> stamps;
  std::shared_ptr<net::KeyLog> key_log;
  Servers first;  // until taken
};

class TlsListeners::Set {
 public:
  std::vector<std::unique_ptr<Listener>> listeners;
};

TlsListeners::TlsListeners(unsigned threads, Deliver deliver)
    : threads_(threads),
      deliver_(std::move(deliver)),
      tickets_(std::make_shared<net::TicketKeys>()),
      set_(std::make_shared<Set>()) {}

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

std::shared_ptr<net::KeyLog> TlsListeners::open_key_log(const std::string& file) const {
  for (const auto& listener : set_->listeners)
    if (listener->key_log != nullptr && listener->config.key_log == file) return listener->key_log;
  return nullptr;
}

std::expected<std::shared_ptr<TlsListeners::Set>, std::string> TlsListeners::prepare(
    const std::vector<config::TlsListener>& listeners) const {
  auto set = std::make_shared<Set>();
  for (const config::TlsListener& config : listeners) {
    Listener& listener =
        *set->listeners.emplace_back(std::make_unique<Listener>(set->listeners.size(), config));
    if (!config.key_log.empty()) listener.key_log = open_key_log(config.key_log);
    if (!config.key_log.empty() && listener.key_log == nullptr) {
      auto opened = net::KeyLog::open(config.key_log);
      if (!opened) return std::unexpected(opened.error());
      listener.key_log = std::move(*opened);
    }
    (void)listener.files_changed();  // before they are read: what comes later counts anew
    auto servers = make(listener);
    if (!servers) return std::unexpected(servers.error());
    listener.first = std::move(*servers);
  }
  return set;
}

std::vector<net::TlsServer> TlsListeners::take(Set& set, unsigned thread) {
  Servers servers;
  for (const auto& listener : set.listeners) servers.push_back(std::move(listener->first[thread]));
  return servers;
}

void TlsListeners::commit(std::shared_ptr<Set> set) {
  set_ = std::move(set);
  for (const auto& listener : set_->listeners) listener->first.clear();
  if (watching_ != nullptr) watching_->cancel();
}

void TlsListeners::reload(Listener& listener) {
  const std::string name = listener.config.listen.front().text();
  auto servers = make(listener);
  if (!servers) {
    return log::event(LogLevel::kError, "certificates_reload_failed",
                      {{"listener", name}, {"error", servers.error()}});
  }
  for (unsigned thread = 0; thread < threads_; ++thread)
    deliver_(thread, listener.index, std::move((*servers)[thread]));
  log::event(LogLevel::kInfo, "certificates_reloaded",
             {{"listener", name}, {"certificates", listener.config.certificates.size()}});
  log_warnings(listener.config);
}

Task<void> TlsListeners::watch_files(const Set& set, Listener& listener) {
  if (!listener.config.reload_interval) co_return;
  while (co_await sleep_for(*listener.config.reload_interval)) {
    if (set_.get() != &set) co_return;
    if (listener.files_changed()) reload(listener);
  }
}

Task<void> TlsListeners::warn_daily(const Set& set) {
  while (co_await sleep_for(kWarningInterval))
    for (const auto& listener : set.listeners) log_warnings(listener->config);
}

Task<void> TlsListeners::tend_tickets() {
  while (co_await sleep_for(kTicketInterval)) tickets_->tend();
}

Task<void> TlsListeners::watch_set(std::shared_ptr<Set> set) {
  TaskGroup group;
  for (const auto& listener : set->listeners) group.spawn(watch_files(*set, *listener));
  group.spawn(warn_daily(*set));
  group.spawn(tend_tickets());
  co_await group.join();
}

Task<void> TlsListeners::watch() {
  const Scope* const outer = co_await this_scope();
  while (!outer->cancelled()) {
    Scope round;
    watching_ = &round;
    co_await in_scope(round, watch_set(set_));
    watching_ = nullptr;
  }
}

}  // namespace millrace::app
