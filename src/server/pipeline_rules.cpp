#include "server/pipeline_rules.hpp"

#include "http/problem.hpp"

#include <ranges>
#include <string>

namespace millrace::server {

using http::FieldId;

void PipelineRules::greet(Exchange& exchange) {
  hold();
  attach(exchange, *this);
  for (const auto& m : middlewares_) m->request(exchange);
}

Handler& PipelineRules::begin(Exchange& exchange) {
  greet(exchange);
  return handler_for(exchange);
}

Handler& PipelineRules::handler_for(Exchange& exchange) {
  ServedCertificate* served = exchange.peer.served;
  if (served != nullptr && !served->admits(exchange.request.authority)) return misdirected_;
  if (everything_ != nullptr) return *everything_;
  if (exchange.request.path == "*") return options_;
  if (exchange.request.method == http::Method::kConnect ||
      exchange.request.method == http::Method::kTrace)
    return method_unknown_;
  const Router::Found found = router_.find(exchange);
  if (found.handler != nullptr) return *found.handler;
  if (!found.other_method) return not_found_;
  if (exchange.request.method == http::Method::kOptions) return options_;
  return method_not_allowed_;
}

void PipelineRules::end(Exchange& exchange, Result<void> outcome) {
  if (!outcome) {
    exchange.cause = outcome.error().errc;
    if (!exchange.started()) render(exchange, outcome.error());
  } else if (!exchange.finished()) {
    exchange.cause = Errc::kInternal;
    if (!exchange.started()) render(exchange, Errc::kInternal);
  }
  for (const auto& m : middlewares_ | std::views::reverse) m->finished(exchange);
  release();
}

void PipelineRules::refuse(Exchange& exchange, Error error) {
  greet(exchange);
  end(exchange, fail(error));
}

void PipelineRules::response_head(Exchange& exchange, http::ResponseHead& head) {
  for (const auto& m : middlewares_ | std::views::reverse) m->response_head(exchange, head);
}

void PipelineRules::render(Exchange& exchange, Error error) {
  if (error.info().status == 0) return;
  const http::Problem problem{.errc = error.errc,
                              .detail = exchange.detail,
                              .instance = exchange.request.path,
                              .request_id = exchange.request_id};
  const bool html = http::prefers_html(exchange.request.fields.value_or(FieldId::kAccept, {}));
  const std::string body = html ? http::problem_html(problem) : http::problem_json(problem);
  http::ResponseHead head;
  head.status = error.info().status;
  head.fields.add(FieldId::kContentType, html ? http::kProblemHtml : http::kProblemJson);
  if (error.is(Errc::kMethodNotAllowed))
    head.fields.add_copy(FieldId::kAllow, router_.allowed(exchange));
  if (error.info().status == 503)
    head.fields.add_copy(FieldId::kRetryAfter,
                         std::to_string(std::max<std::int64_t>(exchange.retry_after.count(), 1)));
  exchange.respond(head, body);
}

}  // namespace millrace::server
