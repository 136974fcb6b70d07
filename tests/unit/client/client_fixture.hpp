#pragma once

#include "client/client.hpp"
#include "support/on_io.hpp"
#include "support/raw_origin.hpp"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

namespace millrace::test {

using namespace std::chrono_literals;

/// A client on an io thread, made anew for each test.
class ClientTest : public ::testing::Test {
 protected:
  client::OriginSpec spec(std::uint16_t port) { return {.host = "127.0.0.1", .port = port}; }

  client::Request get(const RawOrigin& origin, std::string_view target = "/") {
    client::Request request;
    request.origin = client->origin(spec(origin.port())).value();
    request.target = target;
    request.host = "origin.test";
    return request;
  }
  client::Request post(const RawOrigin& origin, BodySource& body) {
    client::Request request = get(origin);
    request.method = http::Method::kPost;
    request.method_text = "POST";
    request.body = &body;
    return request;
  }

  /// The whole body.
  static Task<Result<std::string>> read_all(client::Response& response) {
    std::string text;
    for (;;) {
      const Result<Bytes> piece = co_await response.read();
      if (!piece) co_return fail(piece.error());
      if (piece->empty()) co_return text;
      text.append(piece->data(), piece->size());
    }
  }
  /// Fetches, reads and closes.
  Task<Result<std::string>> fetch_text(client::Request& request) {
    Result<client::Response> response = co_await client->fetch(request);
    if (!response) co_return fail(response.error());
    Result<std::string> text = co_await read_all(*response);
    co_await response->close();
    co_return text;
  }
  template <class F>
  void run(F body) {
    on_io(io, std::move(body));
  }
  void make_client(const client::Client::Options& options) { client.emplace(resolver, options); }

  IoThread io{0};
  net::Resolver resolver;
  std::optional<client::Client> client{std::in_place, resolver, client::Client::Options{}};
};

}  // namespace millrace::test
