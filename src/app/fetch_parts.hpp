// The three parts of `millrace fetch` around endpoints::BatchRun: where URLs come from, what is
// done with each, where the results go.
//
// Ownership: all refer to what they are given, which outlives them. Thread rule: one io thread.
#pragma once

#include "app/cli.hpp"
#include "app/file_name.hpp"
#include "app/progress.hpp"
#include "app/standard_streams.hpp"
#include "client/url_fetcher.hpp"
#include "endpoints/batch_line.hpp"
#include "endpoints/batch_run.hpp"

#include <string>
#include <vector>

namespace millrace::app {

/// What all requests have in common: an item without its URL.
[[nodiscard]] endpoints::BatchItem item_of(const FetchCommand& command);

/// URLs of the arguments, and in the place of "-" those of standard input: a line each, read as
/// they are needed. Empty lines and those that begin with '#' are passed over. A URL without a
/// scheme is http.
class UrlSource final : public endpoints::BatchSource {
 public:
  UrlSource(const FetchCommand& command, StandardInput& input, Progress& progress);

  [[nodiscard]] Task<Result<endpoints::ItemPtr>> next() override;
  /// URLs known so far that are none of those given out.
  [[nodiscard]] std::uint64_t left() const noexcept;
  [[nodiscard]] std::uint64_t given() const noexcept { return given_; }

 private:
  [[nodiscard]] Task<Result<std::optional<std::string>>> next_url();
  [[nodiscard]] endpoints::ItemPtr make(std::string url);
  void know_total() noexcept;

  const FetchCommand& command_;
  StandardInput& input_;
  Progress& progress_;
  std::vector<std::string> urls_;
  std::size_t next_ = 0;
  std::uint64_t given_ = 0;
  bool in_input_ = false;
};

/// Fetches, as often as it takes, into memory or into files of `folder` (-1: memory).
class FetchWork final : public endpoints::BatchWork {
 public:
  struct Options {
    unsigned retries = 2;
    int folder = -1;
    std::string folder_name;
  };
  FetchWork(endpoints::ItemContext context, endpoints::HeldBytes& held, Options options,
            Progress& progress);

  [[nodiscard]] Task<endpoints::ResultPtr> run(endpoints::ItemPtr item) override;

 private:
  Task<endpoints::ResultPtr> in_memory(const endpoints::BatchItem& item);
  Task<endpoints::ResultPtr> download(const endpoints::BatchItem& item, const std::string& name);
  Task<endpoints::ResultPtr> download_once(endpoints::BatchItem item, const std::string& name,
                                           bool& started_over);

  const endpoints::ItemContext context_;
  endpoints::HeldBytes& held_;
  const Options options_;
  Progress& progress_;
  FileNames names_;
};

/// Lines to standard output.
class ResultLines final : public endpoints::BatchSink, public endpoints::LineSink {
 public:
  ResultLines(StandardOutput& output, Progress& progress) noexcept
      : output_(output), progress_(progress) {}

  [[nodiscard]] Task<Result<void>> take(endpoints::ResultPtr result) override;
  [[nodiscard]] Task<Result<void>> write(Bytes bytes) override;
  [[nodiscard]] const endpoints::BatchSummary& summary() const noexcept { return summary_; }

 private:
  StandardOutput& output_;
  Progress& progress_;
  endpoints::BatchSummary summary_;
};

}  // namespace millrace::app
