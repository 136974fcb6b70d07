#include "endpoints/answer.hpp"

#include "http/problem.hpp"

#include <array>

namespace millrace::endpoints {

using http::FieldId;
using http::Method;

std::string Methods::allow() const {
  constexpr std::array kOrder{Method::kGet,    Method::kHead,  Method::kPost,   Method::kPut,
                              Method::kDelete, Method::kPatch, Method::kOptions};
  std::string out;
  for (const Method m : kOrder) {
    if (!has(m)) continue;
    out.append(out.empty() ? "" : ", ").append(http::method_name(m));
  }
  return out;
}

void respond_text(Exchange& exchange, std::string_view type, std::string_view body) {
  http::ResponseHead head;
  head.fields.add(FieldId::kContentType, type);
  exchange.respond(head, body);
}

Task<Result<void>> answer_method(Exchange& exchange, Methods methods) {
  const std::string allow = methods.allow();
  http::ResponseHead head;
  head.fields.add(FieldId::kAllow, allow);
  if (exchange.request.method == Method::kOptions) {
    head.status = 204;
    exchange.respond(head, {});
    co_return Result<void>{};
  }
  // Not by the error's value: the pipeline would name the methods of the route, not of this path.
  exchange.cause = Errc::kMethodNotAllowed;
  const std::string detail = "This path takes " + allow + ".";
  const http::Problem problem{.errc = Errc::kMethodNotAllowed,
                              .detail = detail,
                              .instance = exchange.request.path,
                              .request_id = exchange.request_id};
  const bool html = http::prefers_html(exchange.request.fields.value_or(FieldId::kAccept, {}));
  const std::string body = html ? http::problem_html(problem) : http::problem_json(problem);
  head.status = info(Errc::kMethodNotAllowed).status;
  head.fields.add(FieldId::kContentType, html ? http::kProblemHtml : http::kProblemJson);
  exchange.respond(head, body);
  co_return Result<void>{};
}

Task<Result<void>> fail_task(Exchange& exchange, Errc errc, std::string detail) {
  if (exchange.detail.empty()) exchange.detail = std::move(detail);
  co_return fail(errc);
}

Task<Result<void>> done_task() {
  co_return Result<void>{};
}

}  // namespace millrace::endpoints
