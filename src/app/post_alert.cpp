#include "app/post_alert.hpp"

#include "base/log.hpp"
#include "http/url.hpp"
#include "millrace/body_source.hpp"
#include "runtime/io_thread.hpp"

#include <chrono>
#include <utility>

namespace millrace::app {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

/// The status of the answer.
Task<Result<int>> post(client::Client& client, http::Url url, std::string json) {
  auto origin = client.origin({.tls = url.https,
                               .http = client::HttpChoice::kNegotiate,
                               .host = url.host,
                               .port = url.port});
  if (!origin) co_return fail(Errc::kTlsFailed);
  MemoryBody body(json);
  client::Request request;
  request.method = http::Method::kPost;
  request.method_text = http::method_name(request.method);
  request.origin = std::move(*origin);
  request.target = url.target;
  request.host = request.fields.arena().copy(url.authority());
  request.fields.add(http::FieldId::kContentType, "application/json");
  request.body = &body;
  Result<client::Response> response = co_await client.fetch(request);
  if (!response) co_return fail(response.error());
  const int status = response->status();
  co_await response->close();
  co_return status;
}

}  // namespace

Task<void> post_alert(client::Client& client, std::string url, std::string json) {
  Result<int> status = fail(Errc::kBadParameter);
  std::string host;
  if (auto parsed = http::parse_url(url)) {
    host = parsed->authority();
    DeadlineScope limit(Errc::kDeadline, kPatience);
    status = co_await in_scope(limit.scope(), post(client, std::move(*parsed), std::move(json)));
  }
  if (status && *status >= 200 && *status < 300) co_return;
  log::event(LogLevel::kError, "alert_failed",
             {{"host", host},  // paths and queries hold tokens
              {"error", status ? "answered with status " + std::to_string(*status)
                               : status.error().describe()}});
}

}  // namespace millrace::app
