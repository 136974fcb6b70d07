#include "app/admin_client.hpp"

#include "client/client.hpp"
#include "net/resolver.hpp"
#include "runtime/io_thread.hpp"

#include <utility>

namespace millrace::app {
namespace {

using Answer = std::expected<AdminAnswer, std::string>;

client::OriginSpec origin_of(const config::Address& admin) {
  client::OriginSpec spec;
  if (admin.is_unix()) {
    spec.unix_path = admin.host;
    return spec;
  }
  spec.host = admin.host == "0.0.0.0" ? "127.0.0.1" : admin.host == "::" ? "::1" : admin.host;
  spec.port = admin.port;
  return spec;
}

std::string_view text_of(http::Method method) noexcept {
  return method == http::Method::kPost ? "POST" : "GET";
}

Task<Result<AdminAnswer>> exchange(client::Client& client, client::Request& request) {
  auto response = co_await client.fetch(request);
  if (!response) co_return fail(response.error());
  AdminAnswer answer{.status = response->status(), .body = {}};
  Result<Bytes> piece = Bytes{};
  while ((piece = co_await response->read()) && !piece->empty()) {
    if (answer.body.size() + piece->size() > kAdminAnswerBytesMax) {
      piece = fail(Errc::kUpstreamTooLarge);
      break;
    }
    answer.body.append(piece->data(), piece->size());
  }
  co_await response->close();
  if (!piece) co_return fail(piece.error());
  co_return answer;
}

Task<void> ask(client::Client& client, const config::Address& admin, http::Method method,
               const std::string& path, Result<AdminAnswer>& answer) {
  {
    client::Request request;
    request.method = method;
    request.method_text = text_of(method);
    request.target = path;
    request.host = "localhost";
    if (auto origin = client.origin(origin_of(admin))) {
      request.origin = std::move(*origin);
      answer = co_await exchange(client, request);
    }
  }
  client.close_idle();
  IoThread::current().stop();
}

}  // namespace

std::expected<AdminAnswer, std::string> ask_admin(const config::Address& admin, http::Method method,
                                                  const std::string& path) {
  IoThread io(0);
  net::Resolver resolver;
  client::Client client(resolver, {});
  Result<AdminAnswer> answer = fail(Errc::kInternal);
  TaskGroup group;
  io.post([&] { group.spawn(ask(client, admin, method, path, answer)); });
  io.run();
  if (answer) return std::move(*answer);
  return std::unexpected("cannot ask the admin address " + admin.text() + ": " +
                         answer.error().describe());
}

}  // namespace millrace::app
