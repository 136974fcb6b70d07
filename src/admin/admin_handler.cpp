#include "admin/admin_handler.hpp"

#include "base/log.hpp"
#include "http/problem.hpp"
#include "http/query.hpp"

#include <array>
#include <optional>
#include <string>

namespace millrace::admin {
namespace {

using http::FieldId;
using http::Method;

constexpr std::string_view kPlainText = "text/plain; charset=utf-8";
constexpr std::string_view kPrometheus = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kToml = "application/toml";
/// More is no level.
constexpr std::size_t kLevelBytesMax = 16;
constexpr std::string_view kUpstreamActions = "/upstreams/";

void respond(Exchange& exchange, int status, std::string_view type, std::string_view body) {
  http::ResponseHead head;
  head.status = status;
  head.fields.add(FieldId::kContentType, type);
  head.fields.add(FieldId::kCacheControl, "no-store");
  exchange.respond(head, body);
}

/// For bodies of any size.
Task<Result<void>> send(Exchange& exchange, int status, std::string_view type, std::string body) {
  http::ResponseHead head;
  head.status = status;
  head.fields.add(FieldId::kContentType, type);
  head.fields.add(FieldId::kCacheControl, "no-store");
  co_return co_await exchange.send(head, body);
}

std::optional<LogLevel> parse_level(std::string_view text) noexcept {
  for (const auto level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError})
    if (log::level_name(level) == text) return level;
  return std::nullopt;
}

void refuse_method(Exchange& exchange, std::string_view allow) {
  http::ResponseHead head;
  head.fields.add(FieldId::kAllow, allow);
  if (exchange.request.method == Method::kOptions) {
    head.status = 204;
    return exchange.respond(head, {});
  }
  exchange.cause = Errc::kMethodNotAllowed;
  const std::string body =
      http::problem_json({.errc = Errc::kMethodNotAllowed, .instance = exchange.request.path});
  head.status = info(Errc::kMethodNotAllowed).status;
  head.fields.add(FieldId::kContentType, http::kProblemJson);
  exchange.respond(head, body);
}

/// Not an Errc: nothing but this address gives these answers.
void refuse_stranger(Exchange& exchange, int status, std::string_view why) {
  std::string body = "{\"type\":\"about:blank\",\"title\":";
  http::append_json_string(body, http::reason_phrase(status));
  body.append(",\"status\":").append(std::to_string(status)).append(",\"detail\":");
  http::append_json_string(body, why);
  respond(exchange, status, http::kProblemJson, body + "}\n");
}

/// Fetch Metadata: what a browser says of itself and no page can forge.
bool comes_from_another_site(const http::Fields& fields) noexcept {
  const http::Field* site = fields.find("sec-fetch-site");
  return site != nullptr && site->value != "same-origin" && site->value != "none";
}

/// What stands between the two, if it is one segment.
std::optional<std::string_view> name_in(std::string_view path, std::string_view before,
                                        std::string_view behind) noexcept {
  if (path.size() <= before.size() + behind.size()) return std::nullopt;
  if (!path.starts_with(before) || !path.ends_with(behind)) return std::nullopt;
  const std::string_view name =
      path.substr(before.size(), path.size() - before.size() - behind.size());
  if (name.contains('/')) return std::nullopt;
  return name;
}

}  // namespace

std::span<const AdminHandler::Page> AdminHandler::pages() noexcept {
  static constexpr std::array<Page, 12> kPages{{
      {"/livez", Method::kGet, &AdminHandler::livez},
      {"/readyz", Method::kGet, &AdminHandler::readyz},
      {"/metrics", Method::kGet, &AdminHandler::metrics},
      {"/status", Method::kGet, &AdminHandler::status},
      {"/config", Method::kGet, nullptr, &AdminHandler::config},
      {"/reload", Method::kPost, nullptr, &AdminHandler::reload},
      {"/drain", Method::kPost, &AdminHandler::drain},
      {"/log-level", Method::kPost, nullptr, &AdminHandler::log_level},
      {"/processes", Method::kGet, &AdminHandler::processes, nullptr},
      {"/dns", Method::kGet, nullptr, &AdminHandler::dns},
      {"/dns/flush", Method::kPost, nullptr, &AdminHandler::flush_dns},
      {"/upstreams", Method::kGet, nullptr, &AdminHandler::upstreams},
  }};
  return kPages;
}

Task<Result<void>> AdminHandler::handle(Exchange& exchange) {
  const http::RequestHead& request = exchange.request;
  if (!is_own_host(request.authority, exchange.peer)) {
    refuse_stranger(exchange, 421, "The admin address answers for its own Host names only.");
    co_return Result<void>{};
  }
  const http::Field* origin = request.fields.find(FieldId::kOrigin);
  if ((origin != nullptr && !is_own_origin(origin->value, request.authority)) ||
      comes_from_another_site(request.fields)) {
    refuse_stranger(exchange, 403, "The admin address does not answer pages of other origins.");
    co_return Result<void>{};
  }
  for (const Page& page : pages()) {
    if (page.path != request.path) continue;
    exchange.route_name = page.path;
    const bool get = page.method == Method::kGet;
    if (request.method != page.method && !(get && request.method == Method::kHead))
      refuse_method(exchange, get ? "GET, HEAD, OPTIONS" : "POST, OPTIONS");
    else if (page.answer_later != nullptr)
      co_return co_await (this->*page.answer_later)(exchange);
    else
      (this->*page.answer)(exchange);
    co_return Result<void>{};
  }
  if (request.path.starts_with(kUpstreamActions))
    co_return change_target(exchange, request.path.substr(kUpstreamActions.size()));
  if (const auto name = name_in(request.path, "/processes/", "/restart"))
    co_return restart_process(exchange, *name);
  exchange.detail =
      "The admin address has /livez, /readyz, /metrics, /status, /config, /dns, /upstreams, "
      "/processes, POST /reload, POST /drain, POST /log-level, POST /dns/flush, POST "
      "/upstreams/NAME/drain and /enable?target=TARGET, and POST /processes/NAME/restart.";
  co_return fail(Errc::kNotFound);
}

void AdminHandler::livez(Exchange& exchange) {
  respond(exchange, 200, kPlainText, "ok\n");
}

void AdminHandler::readyz(Exchange& exchange) {
  if (source_.ready()) return respond(exchange, 200, kPlainText, "ready\n");
  respond(exchange, 503, kPlainText, source_.draining() ? "draining\n" : "not ready\n");
}

void AdminHandler::metrics(Exchange& exchange) {
  body_ = metrics_text(source_);
  respond(exchange, 200, kPrometheus, body_);
}

void AdminHandler::status(Exchange& exchange) {
  body_ = status_json(source_);
  respond(exchange, 200, kJson, body_);
}

void AdminHandler::processes(Exchange& exchange) {
  body_ = processes_json(source_.processes());
  respond(exchange, 200, kJson, body_);
}

Result<void> AdminHandler::restart_process(Exchange& exchange, std::string_view name) {
  exchange.route_name = "/processes/NAME/restart";
  if (exchange.request.method != Method::kPost) {
    refuse_method(exchange, "POST, OPTIONS");
  } else if (source_.restart_process(name)) {
    respond(exchange, 202, kPlainText, "restarting\n");
  } else {
    exchange.detail = "There is no [process." + std::string(name) + "].";
    return fail(Errc::kNotFound);
  }
  return {};
}

void AdminHandler::drain(Exchange& exchange) {
  respond(exchange, 202, kPlainText, "draining\n");
  source_.drain();
}

Task<Result<void>> AdminHandler::config(Exchange& exchange) {
  co_return co_await send(exchange, 200, kToml, source_.configuration());
}

Task<Result<void>> AdminHandler::reload(Exchange& exchange) {
  const ReloadOutcome outcome = co_await source_.reload();
  const int status = reload_status(outcome);
  const std::string_view type = status == 200 ? kJson : http::kProblemJson;
  co_return co_await send(exchange, status, type, reload_json(outcome));
}

Task<Result<void>> AdminHandler::log_level(Exchange& exchange) {
  std::string text;
  if (const auto query = http::Query::parse(exchange.request.query))
    text = query->get("level").value_or(std::string_view());
  while (text.size() <= kLevelBytesMax) {
    const auto piece = co_await exchange.read_body();
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
    text.append(piece->data(), piece->size());
  }
  const auto level = parse_level(text);
  if (!level) {
    exchange.detail = "?level= or the body is one of debug, info, warn and error.";
    co_return fail(Errc::kBadParameter);
  }
  source_.set_log_level(*level);
  respond(exchange, 200, kPlainText, std::string(log::level_name(*level)) + "\n");
  co_return Result<void>{};
}

Task<Result<void>> AdminHandler::dns(Exchange& exchange) {
  co_return co_await send(exchange, 200, kJson, dns_json(co_await source_.dns()));
}

Task<Result<void>> AdminHandler::flush_dns(Exchange& exchange) {
  const unsigned threads = co_await source_.flush_dns();
  respond(exchange, 200, kPlainText, "flushed on " + std::to_string(threads) + " threads\n");
  co_return Result<void>{};
}

Task<Result<void>> AdminHandler::upstreams(Exchange& exchange) {
  const std::string body = upstreams_json(source_.upstreams());
  http::ResponseHead head;
  head.status = 200;
  head.fields.add(FieldId::kContentType, kJson);
  head.fields.add(FieldId::kCacheControl, "no-store");
  co_return co_await exchange.send(head, body);
}

Result<void> AdminHandler::change_target(Exchange& exchange, std::string_view words) {
  exchange.route_name = "/upstreams/{name}/{action}";
  const std::size_t slash = words.find('/');
  const std::string_view name = words.substr(0, slash);
  const std::string_view action =
      slash == std::string_view::npos ? std::string_view() : words.substr(slash + 1);
  if (action != "drain" && action != "enable") {
    exchange.detail = "An upstream has /drain?target=TARGET and /enable?target=TARGET.";
    return fail(Errc::kNotFound);
  }
  if (exchange.request.method != Method::kPost) {
    refuse_method(exchange, "POST, OPTIONS");
    return {};
  }
  const Result<http::Query> query = http::Query::parse(exchange.request.query);
  if (!query) return fail(query.error());
  const Result<std::string_view> target = query->required("target");
  if (!target) {
    exchange.detail = "Which target? They are listed at /upstreams: ?target=127.0.0.1:8000";
    return fail(target.error());
  }
  if (!source_.set_target_drained(name, *target, action == "drain")) {
    exchange.detail = "There is no such target; /upstreams lists them.";
    return fail(Errc::kNotFound);
  }
  respond(exchange, 200, kPlainText, action == "drain" ? "draining\n" : "enabled\n");
  return {};
}

}  // namespace millrace::admin
