#include "server/actions.hpp"

#include <algorithm>

namespace millrace::server {

using http::FieldId;

namespace {

std::string_view without_port(std::string_view authority) noexcept {
  const std::size_t colon = authority.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  return has_port ? authority.substr(0, colon) : authority;
}

}  // namespace

RespondHandler::RespondHandler(const config::Respond& respond) : respond_(respond) {
  bool has_type = false;
  for (const auto& [name, value] : respond_.headers) {
    fields_.push_back({.name = name, .value = value, .id = http::field_id(name)});
    has_type = has_type || fields_.back().id == FieldId::kContentType;
  }
  if (!has_type && !respond_.body.empty())
    fields_.push_back({.name = http::field_name(FieldId::kContentType),
                       .value = "text/plain; charset=utf-8",
                       .id = FieldId::kContentType});
}

Task<Result<void>> RespondHandler::handle(Exchange& exchange) {
  http::ResponseHead head;
  head.status = static_cast<int>(respond_.status);
  for (const http::Field& field : fields_) head.fields.add(field);
  if (respond_.body.size() > Exchange::kRespondBytesMax)
    co_return co_await exchange.send(head, respond_.body);
  exchange.respond(head, respond_.body);
  co_return Result<void>{};
}

std::string location_of(const config::Redirect& redirect, const config::PathPattern& pattern,
                        const Exchange& exchange) {
  const http::RequestHead& request = exchange.request;
  if (!redirect.to.has_places()) return redirect.to.text;
  std::string uri(request.path);
  if (request.has_query) uri.append("?").append(request.query);
  const auto value_of = [&](std::string_view name) -> std::string_view {
    const auto parameter = config::parameter_of(pattern, request.path, name);
    if (!parameter.empty()) return parameter;
    if (name == "host") return without_port(request.authority);
    if (name == "uri") return uri;
    return name == "query" ? request.query : request.path;
  };
  std::string out = redirect.to.expand(value_of, exchange.route_path);
  // A path of the client's that begins with "//" would name another host.
  const bool path = !redirect.to.text.starts_with("http");
  const std::size_t slashes = std::min(out.find_first_not_of('/'), out.size());
  if (path && slashes > 1) out.erase(0, slashes - 1);
  return out;
}

Task<Result<void>> RedirectHandler::handle(Exchange& exchange) {
  http::ResponseHead head;
  head.status = static_cast<int>(redirect_.status);
  const std::string to = location_of(redirect_, pattern_, exchange);
  head.fields.add(FieldId::kLocation, to);
  exchange.respond(head, {});
  co_return Result<void>{};
}

Task<Result<void>> FailHandler::handle(Exchange&) {
  co_return fail(errc_);
}

Task<Result<void>> OptionsHandler::handle(Exchange& exchange) {
  http::ResponseHead head;
  head.status = 204;
  if (exchange.request.path != "*")
    head.fields.add_copy(FieldId::kAllow, router_.allowed(exchange));
  exchange.respond(head, {});
  co_return Result<void>{};
}

}  // namespace millrace::server
