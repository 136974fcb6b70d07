#include "server/actions.hpp"

#include "http/ascii.hpp"

namespace millrace::server {

using http::FieldId;

RespondHandler::RespondHandler(const config::Respond& respond) : respond_(respond) {
  for (const auto& [name, value] : respond_.headers)
    has_type_ = has_type_ || http::iequals(name, "content-type");
}

Task<Result<void>> RespondHandler::handle(Exchange& exchange) {
  http::ResponseHead head;
  head.status = static_cast<int>(respond_.status);
  for (const auto& [name, value] : respond_.headers) head.fields.add(name, value);
  if (!has_type_ && !respond_.body.empty())
    head.fields.add(FieldId::kContentType, "text/plain; charset=utf-8");
  co_return co_await exchange.send(head, respond_.body);
}

Task<Result<void>> RedirectHandler::handle(Exchange& exchange) {
  http::ResponseHead head;
  head.status = static_cast<int>(redirect_.status);
  head.fields.add(FieldId::kLocation, redirect_.to);
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
