// What the doors of [fetch] on one io thread share for trying again.
#pragma once

#include "client/retry_budget.hpp"
#include "client/url_fetcher.hpp"
#include "config/config.hpp"

#include <vector>

namespace millrace::app {

class FetchRetries {
 public:
  explicit FetchRetries(const config::FetchRetry& retry)
      : attempts_(retry.attempts),
        statuses_(retry.statuses.begin(), retry.statuses.end()),
        budget_({.ratio = retry.budget, .min_per_second = retry.budget_min}) {}

  /// `options` refers to this from then on.
  void put_into(client::UrlFetcher::Options& options) {
    options.retry =
        client::RetryPolicy{.retries_max = attempts_, .statuses = statuses_, .budget = &budget_};
    options.resume = {.resumes_max = attempts_, .budget = &budget_};
  }

 private:
  const unsigned attempts_;
  const std::vector<int> statuses_;
  client::RetryBudget budget_;
};

}  // namespace millrace::app
