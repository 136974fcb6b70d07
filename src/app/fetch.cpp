#include "app/fetch.hpp"

#include "app/download.hpp"
#include "app/fetch_parts.hpp"
#include "app/signals.hpp"
#include "client/proxy_settings.hpp"
#include "net/resolver.hpp"

#include <cmath>
#include <iostream>

#include <boost/asio/io_context.hpp>
#include <unistd.h>

namespace millrace::app {
namespace {

constexpr int kUsageError = 2;
constexpr int kInterrupted = 130;
constexpr Duration kLastWords = std::chrono::seconds(1);
/// Of bodies that are printed; larger ones are for --out.
constexpr std::uint64_t kItemBytesMax = std::uint64_t{64} << 20;
constexpr std::uint64_t kHeldBytesMax = std::uint64_t{64} << 20;

client::UrlFetcher::Options fetcher_options(const FetchCommand& command,
                                            const client::ProxySettings* proxies) {
  client::UrlFetcher::Options options;
  options.proxies = proxies;
  options.redirects_max = command.redirects_max;
  options.guarded = false;
  options.tls = {.ca_file = command.ca_file, .verify = !command.insecure};
  options.timeouts.connect = command.connect_timeout;
  options.timeouts.tls = command.connect_timeout;
  return options;
}

endpoints::BatchLimits limits() {
  endpoints::BatchLimits limits;
  limits.item_bytes_max = kItemBytesMax;
  limits.item_timeout = std::nullopt;
  return limits;
}

/// Everything that one run needs, on its io thread.
class Session {
 public:
  Session(const FetchCommand& command, const client::ProxySettings& proxies,
          FetchWork::Options options)
      : command_(command),
        fetcher_(client_, fetcher_options(command, &proxies)),
        work_({fetcher_, limits_}, held_, std::move(options), progress_) {}

  int run();

 private:
  Task<void> fetch_all();
  void tell() const;
  [[nodiscard]] std::uint64_t undone() const noexcept {
    return source_.given() + source_.left() - lines_.summary().count;
  }

  const FetchCommand& command_;
  const TimePoint began_ = Clock::now();
  IoThread io_{0};
  Offload pool_{{.threads = 2}};
  net::Resolver resolver_;
  client::Client client_{resolver_, {}};
  client::UrlFetcher fetcher_;
  const endpoints::BatchLimits limits_ = limits();
  endpoints::HeldBytes held_{kHeldBytesMax};
  Progress progress_{!command_.quiet};
  StandardInput input_{pool_};
  StandardOutput output_{pool_};
  UrlSource source_{command_, input_, progress_};
  FetchWork work_;
  ResultLines lines_{output_, progress_};
  Scope stop_;
  Scope* stop_writing_ = nullptr;
  Result<void> outcome_;
};

Task<void> Session::fetch_all() {
  TaskGroup helpers;
  helpers.spawn(watch_signals([this](int) {
    stop_.cancel();
    if (stop_writing_ != nullptr) stop_writing_->cancel();
  }));
  helpers.spawn(progress_.run());
  endpoints::BatchRun batch(source_, work_, lines_, command_.parallel);
  outcome_ = co_await in_scope(stop_, batch.run());
  // Who interrupts us gets the lines that are there, but does not wait for a reader who does not
  // read.
  DeadlineScope last_words(Errc::kCancelled, stop_.cancelled() ? kLastWords : Duration::max());
  stop_writing_ = &last_words.scope();
  const Result<void> written = co_await in_scope(last_words.scope(), output_.finish());
  stop_writing_ = nullptr;
  if (outcome_) outcome_ = written;
  helpers.cancel();
  co_await helpers.join();
  client_.close_idle();
  io_.stop();
}

void Session::tell() const {
  const endpoints::BatchSummary& s = lines_.summary();
  const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  std::cerr << s.count << (s.count == 1 ? " URL: " : " URLs: ") << s.succeeded << " succeeded, "
            << s.failed << " failed";
  if (undone() != 0) std::cerr << ", " << undone() << " not done";
  std::cerr << "; " << bytes_text(static_cast<double>(s.bytes)) << " in "
            << std::round(seconds * 100) / 100 << " s\n";
}

int Session::run() {
  TaskGroup group;
  io_.post([&] { group.spawn(fetch_all()); });
  io_.run();
  if (!command_.quiet) tell();
  if (stop_.cancelled()) return kInterrupted;
  if (!outcome_ && !outcome_.error().is(Errc::kClientGone))
    std::cerr << "millrace: " << outcome_.error().describe() << '\n';
  return outcome_ && lines_.summary().failed == 0 ? 0 : 1;
}

}  // namespace

int fetch(const FetchCommand& command) {
  const auto proxies = client::ProxySettings::from_environment();
  if (!proxies) {
    std::cerr << "millrace: " << proxies.error() << '\n';
    return kUsageError;
  }
  // Loading the system's authorities takes longer than most fetches: not before it is needed.
  if (!command.ca_file.empty()) {
    const auto trusted = net::TlsClient::make(fetcher_options(command, nullptr).tls);
    if (!trusted) {
      std::cerr << "millrace: --cacert: " << trusted.error() << '\n';
      return kUsageError;
    }
  }
  FetchWork::Options options{.retries = command.retries, .folder = -1, .folder_name = {}};
  OwnFd folder;
  if (command.out) {
    auto opened = open_folder(*command.out);
    if (!opened) {
      std::cerr << "millrace: --out: " << opened.error() << '\n';
      return kUsageError;
    }
    folder = std::move(*opened);
    options.folder = folder.get();
    options.folder_name = *command.out;
    if (!options.folder_name.ends_with('/')) options.folder_name += '/';
  }
  if (command.urls.empty() && !command.quiet && ::isatty(STDIN_FILENO) == 1)
    std::cerr << "millrace: reading URLs from standard input, one per line\n";
  block_signals();
  return Session(command, *proxies, std::move(options)).run();
}

}  // namespace millrace::app
