// A client connection against whatever an upstream sends. The first byte says what is asked: H for
// HEAD, P for a POST with a body of known length, S for one that is streamed, U for an upgrade, and
// GET else; the rest is the upstream's side until its end. The first answer may not depend on how
// the bytes were cut.
#include "fuzz/check.hpp"
#include "fuzz/loop.hpp"
#include "fuzz/pieces.hpp"
#include "h1/client_connection.hpp"
#include "http/gate.hpp"
#include "support/on_io.hpp"

#include <string>

namespace {

using namespace millrace;
using fuzz::check;
using h1::ClientConnection;

constexpr std::string_view kBody = "the body of the request";
constexpr std::size_t kExchangesMax = 4;

class StreamedBody final : public BodySource {
 public:
  http::BodyLength length() const noexcept override { return http::BodyLength::unknown(); }
  Task<Result<Bytes>> read() override {
    co_await fuzz::next_turn();
    co_return left_-- > 0 ? Bytes(kBody) : Bytes{};
  }

 private:
  int left_ = 2;
};

/// What a caller saw of one answer.
struct Answer {
  Errc error = Errc::kCount_;
  int status = 0;
  http::BodyLength length;
  std::string fields, body;

  friend bool operator==(const Answer& a, const Answer& b) {
    return a.error == b.error && a.status == b.status && a.length.kind == b.length.kind &&
           a.length.bytes == b.length.bytes && a.fields == b.fields && a.body == b.body;
  }
};

std::string text_of(const http::Fields& fields) {
  std::string text;
  for (const http::Field& f : fields) {
    check(http::is_valid_field(f), "a bad field was let through");
    text.append(f.name).append(":").append(f.value).append("\n");
  }
  return text;
}

void check_error(Error error) {
  using enum Errc;
  for (const Errc known : {kUpstreamClosed, kUpstreamReset, kUpstreamBadMessage,
                           kUpstreamHeadTooLarge, kUpstreamTruncated})
    if (error.is(known)) return;
  check(false, error.info().code);
}

void check_answer(const Answer& a, char asked) {
  check(a.status == 101 ? asked == 'U' : a.status >= 200 && a.status <= 999, "status");
  if (asked == 'H') check(a.body.empty(), "a body behind HEAD");
  if (a.error == Errc::kCount_ && a.length.is_known())
    check(a.body.size() == a.length.bytes, "a clean end of another length");
}

Task<Answer> receive(ClientConnection& connection, char asked) {
  Answer answer;
  if (const auto head = co_await connection.read_head(); !head) {
    check_error(head.error());
    answer.error = head.error().errc;
    co_return answer;
  }
  answer.status = connection.status();
  answer.length = connection.body_length();
  answer.fields = text_of(connection.fields());
  MemoryBody tunnelled{Bytes(kBody)};
  if (connection.is_tunnel()) connection.send_tunnel(tunnelled);
  for (;;) {
    const auto piece = co_await connection.read_body();
    if (!piece) {
      check_error(piece.error());
      answer.error = piece.error().errc;
    }
    if (!piece || piece->empty()) break;
    answer.body.append(piece->data(), piece->size());
  }
  if (const http::Fields* trailers = connection.trailers()) answer.fields += text_of(*trailers);
  check_answer(answer, asked);
  if (connection.is_tunnel()) co_await connection.stop();  // `tunnelled` ends here
  co_return answer;
}

http::Method method_of(char asked) {
  if (asked == 'H') return http::Method::kHead;
  return asked == 'P' || asked == 'S' ? http::Method::kPost : http::Method::kGet;
}

Task<std::vector<Answer>> converse(int fd, char asked) {
  ClientConnection connection(
      net::Stream(fd),
      {.head = {.head_bytes_max = 4096, .fields_max = 40, .target_bytes_max = 1024}});
  MemoryBody known{Bytes(kBody)};
  StreamedBody streamed;
  const http::Fields fields;
  std::vector<Answer> answers;
  while (answers.size() < kExchangesMax) {
    BodySource* body = asked == 'P' ? &known : nullptr;
    if (asked == 'S') body = &streamed;
    const http::Method method = method_of(asked);
    const auto sent = connection.send({.method = method,
                                       .method_text = http::method_name(method),
                                       .target = "/",
                                       .host = "a",
                                       .upgrade = asked == 'U' ? "websocket" : "",
                                       .fields = fields,
                                       .body = body},
                                      {});
    if (!sent) break;
    answers.push_back(co_await receive(connection, asked));
    if (!connection.reusable()) break;
    check(answers.back().error == Errc::kCount_, "reusable after an error");
    connection.reset();
    asked = 'G';
  }
  co_await connection.stop();
  co_return answers;
}

Task<void> play_client(int fd, char asked, std::vector<Answer>& answers) {
  answers = co_await converse(fd, asked);
}

Task<void> run(char asked, std::string_view bytes, std::size_t pieces_max,
               std::vector<Answer>& answers) {
  const test::TcpPair sockets = fuzz::make_socket_pair();
  test::WireClient upstream(sockets);
  TaskGroup group;
  group.spawn(play_client(sockets.server, asked, answers));
  group.spawn(fuzz::send_pieces(upstream, fuzz::cut(bytes, pieces_max)));
  group.spawn(fuzz::receive_to_the_end(upstream));
  co_await group.join();
  std::size_t received = 0;
  for (const Answer& a : answers) received += a.body.size();
  check(received <= bytes.size(), "more body than there were bytes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const char asked = static_cast<char>(data[0]);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<Answer> cut, whole;
  test::on_io(fuzz::io_thread(), [&]() -> Task<void> {  // side by side: that saves turns
    TaskGroup group;
    group.spawn(run(asked, bytes, 5, cut));
    group.spawn(run(asked, bytes, 1, whole));
    co_await group.join();
  });
  check(cut.empty() == whole.empty(), "one cut could not be asked");
  if (!cut.empty()) check(cut.front() == whole.front(), "another answer in another cut");
  return 0;
}
