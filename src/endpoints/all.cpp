// `all`: every endpoint under its own path, and a page at / that names them. What is served when a
// configuration has no route.

#include "endpoints/answer.hpp"
#include "endpoints/endpoint.hpp"
#include "http/problem.hpp"

#include <array>
#include <vector>

namespace millrace::endpoints {
namespace {

using http::FieldId;
using http::Method;

constexpr std::string_view kHtml = "text/html; charset=utf-8";

struct Place {
  std::string_view endpoint;
  std::string_view pattern;  ///< exact, or everything below when it ends in "/*"
  /// Bytes of the path that the endpoint does not see.
  std::size_t fixed_bytes;
};

constexpr Place place(std::string_view endpoint, std::string_view pattern) {
  const bool below = pattern.ends_with("/*");
  return {endpoint, pattern, below ? pattern.size() - 2 : pattern.size()};
}

constexpr std::array<Place, 9> kPlaces{
    place("image", "/v1/image/*"),
    place("compute", "/v1/compute/*"),
    place("fetch", "/v1/fetch"),
    place("fetch", "/v1/fetch/*"),
    place("health", "/health"),
    // The tools see their whole path.
    Place{"tools", "/echo", 0},
    Place{"tools", "/delay", 0},
    Place{"tools", "/bytes", 0},
    Place{"tools", "/stream", 0},
};

bool lies_at(const Place& place, std::string_view path) noexcept {
  if (!place.pattern.ends_with("/*")) return path == place.pattern;
  return path.starts_with(place.pattern.substr(0, place.pattern.size() - 1));
}

struct Shown {
  std::string_view request;
  std::string_view answer;
};
constexpr std::array<Shown, 10> kShown{{
    {"POST /v1/image/grayscale[?method=luma|linear&quality=&format=]", "the image in gray"},
    {"POST /v1/image/info", "format, size and orientation of an image, as JSON"},
    {"POST /v1/compute/wordcount[?top=]", "bytes, lines, words and characters of a text"},
    {"GET /v1/compute/sqrt-sum?n=[&tasks=]", "the sum of sqrt(i) for i < n"},
    {"GET|POST|HEAD /v1/fetch?url=", "what lies at the URL"},
    {"POST /v1/fetch/batch", "what lies at many URLs, a line of JSON for each as it comes"},
    {"GET|POST /echo", "the body comes back"},
    {"GET /delay?ms=", "an answer after so long"},
    {"GET /bytes?n=", "so many bytes"},
    {"GET /stream[?lines=&interval_ms=]", "a line every so often"},
}};

std::string index_json() {
  std::string out = "{\"name\":\"millrace\",\"endpoints\":[";
  for (const Shown& s : kShown) {
    if (out.back() == '}') out += ',';
    out += "\n{\"request\":";
    http::append_json_string(out, s.request);
    out += ",\"answer\":";
    http::append_json_string(out, s.answer);
    out += '}';
  }
  return out + "\n]}\n";
}

std::string index_html() {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Millrace</title>\n"
      "<h1>Millrace</h1>\n<p>Images and texts go in as the body, or by <code>?url=</code>.</p>\n"
      "<dl>\n";
  for (const Shown& s : kShown) {
    std::string request(s.request);
    for (std::size_t at = 0; (at = request.find('&', at)) != std::string::npos; at += 5)
      request.replace(at, 1, "&amp;");
    out.append("<dt><code>").append(request).append("</code></dt><dd>");
    out.append(s.answer).append("</dd>\n");
  }
  return out + "</dl></html>\n";
}

class AllEndpoint final : public Handler {
 public:
  explicit AllEndpoint(const EndpointContext& context);

  Task<Result<void>> handle(Exchange& exchange) override;

 private:
  struct Member {
    std::string_view name;
    std::unique_ptr<Handler> handler;
  };
  [[nodiscard]] Handler* member(std::string_view name) const noexcept;
  Task<Result<void>> index(Exchange& exchange);

  std::vector<Member> members_;
  const std::string index_json_ = index_json();
  const std::string index_html_ = index_html();
};

AllEndpoint::AllEndpoint(const EndpointContext& context) {
  for (const Place& place : kPlaces) {
    if (member(place.endpoint) != nullptr) continue;
    if (auto handler = make_endpoint(place.endpoint, context))
      members_.push_back({place.endpoint, std::move(handler)});
  }
}

Handler* AllEndpoint::member(std::string_view name) const noexcept {
  for (const Member& m : members_)
    if (m.name == name) return m.handler.get();
  return nullptr;
}

Task<Result<void>> AllEndpoint::handle(Exchange& exchange) {
  const std::string_view path = exchange.request.path;
  if (path == "/") return index(exchange);
  for (const Place& place : kPlaces) {
    if (!lies_at(place, path)) continue;
    Handler* const handler = member(place.endpoint);
    if (handler == nullptr) break;
    exchange.route_name = place.pattern;
    exchange.route_path = path.substr(place.fixed_bytes);
    return handler->handle(exchange);
  }
  return fail_task(exchange, Errc::kNotFound, "GET / lists what there is.");
}

Task<Result<void>> AllEndpoint::index(Exchange& exchange) {
  constexpr Methods kMethods{Method::kGet};
  const Method method = exchange.request.method;
  if (method != Method::kGet && method != Method::kHead) return answer_method(exchange, kMethods);
  const bool html = http::prefers_html(exchange.request.fields.value_or(FieldId::kAccept, {}));
  respond_text(exchange, html ? kHtml : kJson, html ? index_html_ : index_json_);
  return done_task();
}

}  // namespace

std::unique_ptr<Handler> make_all(const EndpointContext& context) {
  return std::make_unique<AllEndpoint>(context);
}

}  // namespace millrace::endpoints
