#include "server/actions.hpp"

namespace millrace::server {

using http::FieldId;

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
