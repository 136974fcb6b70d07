#include "app/explain.hpp"

#include "app/check.hpp"
#include "app/thread_stack.hpp"
#include "config/load.hpp"
#include "config/units.hpp"
#include "http/gate.hpp"
#include "millrace/exchange.hpp"
#include "server/actions.hpp"
#include "server/router.hpp"

#include <iostream>
#include <optional>
#include <string_view>
#include <utility>

namespace millrace::app {
namespace {

using config::quote;

/// A request that was never sent.
class Asked final : public Exchange {
 public:
  Asked() : Exchange(head_, peer_) {}

  Task<Result<Bytes>> read_body() override { co_return Bytes{}; }
  void interim(int, const http::Fields&) override {}
  Task<Result<void>> write(Bytes) override { co_return Result<void>{}; }

 private:
  void write_head(const http::ResponseHead&) override {}
  Result<void> end_body(const http::Fields*) override { return {}; }
  void write_whole(const http::ResponseHead&, std::string_view) override {}

  http::RequestHead head_;
  PeerInfo peer_;
};

class NoHandler final : public Handler {
 public:
  Task<Result<void>> handle(Exchange&) override { co_return Result<void>{}; }
};

/// Lines of "name  value".
class Lines {
 public:
  void add(std::string_view name, const std::string& value) {
    text_.append(name).append(std::string(kWidth - name.size(), ' ')).append(value).append("\n");
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  static constexpr std::size_t kWidth = 12;
  std::string text_;
};

std::string time_text(const std::optional<config::milliseconds>& time) {
  return time ? config::format_duration(*time) : "none";
}

std::string target_text(const config::Config& config, const config::Upstream& upstream) {
  if (upstream.process) {
    const auto process = config.processes.find(*upstream.process);
    const std::uint32_t count = process == config.processes.end() ? 0 : process->second.workers;
    return "process " + *upstream.process + ", " + std::to_string(count) +
           (count == 1 ? " instance" : " instances");
  }
  std::string out;
  for (const config::Target& target : upstream.targets)
    out.append(out.empty() ? "" : ", ").append(target.text());
  return out;
}

std::string status_list(const std::vector<std::uint32_t>& statuses) {
  std::string out;
  for (const std::uint32_t status : statuses)
    out.append(out.empty() ? "" : ", ").append(std::to_string(status));
  return out;
}

template <class Retry>
std::string retry_text(const Retry& retry, const config::Retry& budget, http::Method method) {
  if (retry.attempts == 0) return "none";
  const bool idempotent = http::is_idempotent(method);
  std::string out = std::to_string(retry.attempts) + " more";
  out += idempotent ? ", after any failure before the answer has begun"
                    : ", only while nothing has been sent";
  if (!retry.statuses.empty() && idempotent) out += ", and after " + status_list(retry.statuses);
  if (retry.per_try) out += "; each try " + config::format_duration(*retry.per_try);
  if (retry.hedge && idempotent) out += "; hedged";
  return out + "; budget " + std::to_string(static_cast<int>(budget.budget * 100 + 0.5)) +
         " % of requests, " + std::to_string(budget.budget_min) + " a second always";
}

std::string buffer_text(const config::Route& route) {
  const config::RequestBuffer buffer = route.buffer_request.value_or(config::RequestBuffer{});
  if (buffer.kind == config::RequestBuffer::Kind::kOff) return "passed on as it comes";
  if (buffer.kind == config::RequestBuffer::Kind::kSpill)
    return "taken in first, whatever its size";
  return "taken in first up to " + config::format_size(buffer.bytes_max) + ", else as it comes";
}

void describe_upstream(const config::Config& config, const config::Route& route,
                       const std::string& name, http::Method method, Lines& lines) {
  const config::Upstream& upstream = config.upstreams.at(name);
  lines.add("targets", target_text(config, upstream));
  const config::Timeouts& t = route.timeout ? *route.timeout : upstream.timeout;
  lines.add("timeouts", "connect " + config::format_duration(t.connect) + ", first_byte " +
                            time_text(t.first_byte) + ", idle " + time_text(t.idle) + ", total " +
                            time_text(t.total));
  lines.add("retries", route.retry ? retry_text(*route.retry, upstream.retry, method)
                                   : retry_text(upstream.retry, upstream.retry, method));
  lines.add("queue", std::to_string(upstream.concurrency) + " at once, then " +
                         std::to_string(upstream.queue.size) + " wait for at most " +
                         config::format_duration(upstream.queue.timeout));
}

std::string target_of(const config::Route& route, const http::RequestHead& request) {
  std::string out = route.rewrite ? route.rewrite->apply(route.match.path, request.path)
                                  : std::string(request.path);
  if (request.has_query) out.append("?").append(request.query);
  return out;
}

void describe_passing(const config::Config& config, const config::Route& route,
                      const http::RequestHead& request, Lines& lines) {
  const http::Method method = request.method;
  lines.add("sends", std::string(request.method_text) + " " + target_of(route, request));
  if (route.upstream) {
    lines.add("upstream", *route.upstream);
    describe_upstream(config, route, *route.upstream, method, lines);
  } else {
    std::uint64_t sum = 0;
    for (const auto& [name, weight] : route.split->weights) sum += weight;
    for (const auto& [name, weight] : route.split->weights) {
      lines.add("upstream", name + ", " + std::to_string(weight) + " of " + std::to_string(sum));
      describe_upstream(config, route, name, method, lines);
    }
  }
  if (route.mirror)
    lines.add("mirror", route.mirror->upstream + ", " + std::to_string(route.mirror->percent) +
                            " % of requests, of bodies those that are taken in");
  lines.add("body", buffer_text(route));
  lines.add("client gone", route.client_gone == config::ClientGone::kFinish ? "finish" : "cancel");
  lines.add("cache", "none");
}

/// Fills `exchange` as the gate would. The error is a line for a person.
std::expected<void, std::string> ask(const Question& question, const http::HeadLimits& limits,
                                     Asked& exchange) {
  http::RequestHead& head = exchange.request;
  const std::string_view url = std::string_view(question.url).substr(0, question.url.find('#'));
  bool has_host = false;
  for (const auto& [name, value] : question.headers) {
    head.fields.add(name, value);
    has_host = has_host || head.fields.has(http::FieldId::kHost);
  }
  if (!has_host) head.fields.add(http::FieldId::kHost, "localhost");
  const auto verdict = http::judge_request(
      {.method_text = question.method, .target = url, .https = url.starts_with("https://")}, head,
      limits);
  if (verdict) return {};
  const ErrcInfo& info = verdict.error().info();
  return std::unexpected(std::to_string(info.status) + " " + std::string(info.code) +
                         ": the request is refused before it gets to a route");
}

/// What no route is asked about (server/pipeline_rules); empty: they are.
std::string_view answer_of_the_server(const http::RequestHead& request) {
  if (request.path == "*") return "204: OPTIONS * is about the server";
  if (request.method == http::Method::kConnect || request.method == http::Method::kTrace)
    return "501 method_unknown: it is not implemented here";
  return {};
}

std::string no_route(const http::RequestHead& request, bool other_method,
                     const std::string& allowed) {
  if (!other_method) return "404 not_found: no route matches";
  if (request.method == http::Method::kOptions) return "204: routes for this path take " + allowed;
  return "405 method_not_allowed: routes for this path take " + allowed;
}

}  // namespace

std::expected<std::string, std::string> explain_request(const config::Config& config,
                                                        const Question& question) {
  Asked exchange;
  const http::HeadLimits limits = to_connection_limits(config).head;
  if (const auto asked = ask(question, limits, exchange); !asked)
    return std::unexpected(asked.error());
  if (const auto answer = answer_of_the_server(exchange.request); !answer.empty())
    return std::unexpected(std::string(answer));
  NoHandler nothing;
  server::Router router;
  for (const config::Route& route : config.routes) router.add(route.match, nothing);
  const auto found = router.find(exchange);
  if (found.handler == nullptr)
    return std::unexpected(
        no_route(exchange.request, found.other_method, router.allowed(exchange)));

  const config::Route& route = config.routes[found.index];
  Lines lines;
  lines.add("route", std::to_string(found.index + 1) + " of " +
                         std::to_string(config.routes.size()) +
                         ", match = " + config::print_match(route.match));
  if (route.endpoint) lines.add("endpoint", *route.endpoint);
  if (route.respond) lines.add("respond", std::to_string(route.respond->status));
  if (route.redirect)
    lines.add("redirect", std::to_string(route.redirect->status) + " to " +
                              server::location_of(*route.redirect, route.match.path, exchange));
  if (route.upstream || route.split) describe_passing(config, route, exchange.request, lines);
  return lines.take();
}

int explain(const ExplainCommand& command) {
  const config::Loaded loaded = load_config(config_file(command.config), command.overrides);
  print_diagnostics(loaded);
  if (!loaded.config) return 2;
  const auto text = explain_request(
      *loaded.config, {.method = command.method, .url = command.url, .headers = command.headers});
  if (!text) {
    std::cout << text.error() << '\n';
    return 1;
  }
  std::cout << *text;
  return 0;
}

}  // namespace millrace::app
