// One HTTP/1 exchange on a server connection: the Exchange that handlers see.
//
// Exists from the moment the first byte of a head arrives until the connection goes idle; it is
// reused for every request in between. Thread rule: the connection's io thread.
#pragma once

#include "base/byte_buffer.hpp"
#include "h1/body_decoder.hpp"
#include "http/gate.hpp"
#include "millrace/exchange.hpp"
#include "millrace/pipeline.hpp"
#include "net/output.hpp"
#include "net/stream.hpp"

#include <memory>
#include <optional>

namespace millrace::h1 {

/// What connection and exchange share.
struct ServerIo {
  /// Reads of one connection before epoll, and with it every other connection, gets its turn again:
  /// a client that sends as fast as we read would otherwise have the thread for itself.
  static constexpr unsigned kReadsInARowMax = 16;

  net::Stream stream;
  net::Output output;
  ByteBuffer input;
  Pipeline& pipeline;

  ServerIo(net::Stream s, Pipeline& p)
      : stream(std::move(s)), output(stream, p.limits().write_stall_timeout), pipeline(p) {}

  /// Stream::read_some, but says kWouldBlock after too many in a row. Decrypted bytes are exempt:
  /// no wait would end for them.
  [[nodiscard]] net::IoResult read_some(std::span<char> into) noexcept {
    if (++reads_in_a_row > kReadsInARowMax && !stream.has_pending())
      return {.kind = net::IoResult::Kind::kWouldBlock};
    return stream.read_some(into);
  }
  [[nodiscard]] Descriptor::Wait wait(Direction d) noexcept {
    reads_in_a_row = 0;
    return stream.wait(d);
  }

  unsigned reads_in_a_row = 0;
};

class ServerExchange final : public Exchange {
 public:
  ServerExchange(ServerIo& io, const PeerInfo& peer);
  ~ServerExchange();
  static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
  static void operator delete(void* p, std::size_t size) noexcept {
    frame_pool::deallocate(p, size);
  }

  /// Parses and judges the head that lies at the front of the input.
  [[nodiscard]] Result<void> open(std::size_t start, std::size_t head_bytes);
  /// For heads that did not pass: an empty request to hang an error answer on.
  void open_refused();

  /// Watches for the client's end while the handler waits. Undone by end_watch().
  void begin_watch();
  void end_watch() noexcept;
  [[nodiscard]] Scope& scope() noexcept { return *scope_; }

  /// The body was read to its end.
  [[nodiscard]] bool body_done() const noexcept { return decoder_.done(); }
  /// Reads what is left of a body nobody wanted, to keep the connection; false: too much, too slow
  /// or broken.
  [[nodiscard]] Task<bool> discard_body();
  /// Bytes read beyond the body go back to the connection's input. Ends the views into the head.
  void return_surplus();

  /// The connection may serve another request.
  [[nodiscard]] bool reusable() const noexcept { return !close_ && finished_; }
  /// Only the connection's end tells the client where the response ends: an abort must not look
  /// like it.
  [[nodiscard]] bool ends_with_connection() const noexcept {
    return started() && (framing_ == Framing::kUntilClose || framing_ == Framing::kTunnel);
  }

  // Exchange
  Task<Result<Bytes>> read_body() override;
  void interim(int status, const http::Fields& fields) override;
  Task<Result<void>> write(Bytes bytes) override;
  [[nodiscard]] Task<Result<void>> write_chunk(std::string_view data);
  Result<void> end_body(const http::Fields* trailers) override;
  const http::Fields* request_trailers() const noexcept override { return trailers_.get(); }

 private:
  /// What the response's body needs on the wire.
  enum class Framing : std::uint8_t { kNone, kLength, kChunked, kUntilClose, kTunnel };
  /// A body that nobody reads is taken in up to here to keep the connection.
  static constexpr std::size_t kDiscardBytesMax = 256 * 1024;

  void write_head(const http::ResponseHead& head) override;
  void write_whole(const http::ResponseHead& head, std::string_view body) override;

  [[nodiscard]] std::string_view buffered_body() const noexcept;
  void consume_body(std::size_t n) noexcept;
  void open_tunnel() noexcept;
  void keep_trailers();
  [[nodiscard]] Task<Result<void>> fill();
  /// How long the next wait for body bytes may last, from the body's rate so far.
  [[nodiscard]] Duration body_patience() const noexcept;

  /// At the end of a turn in which the handler did not finish: look out for the client.
  struct GoneWatch final : TurnHook, ReadyWatcher, Deadline {
    explicit GoneWatch(ServerExchange& e) noexcept : exchange(e) {}
    void end_of_turn() noexcept override;
    void descriptor_ready() noexcept override;
    void expired() noexcept override;
    void poll_later() noexcept;
    ServerExchange& exchange;
    bool wanted = false;    // between begin_watch and end_watch
    bool watching = false;  // the descriptor's reader
  };
  static constexpr auto kGonePollInterval = std::chrono::milliseconds(500);

  ServerIo& io_;
  http::RequestHead head_;
  BodyDecoder decoder_;
  std::unique_ptr<http::Fields> trailers_;  // nullptr: none, as nearly always
  ByteBuffer body_buffer_;
  std::optional<Scope> scope_;
  GoneWatch gone_;
  std::uint64_t left_to_send_ = 0;
  Duration waited_for_body_{};
  Framing framing_ = Framing::kNone;
  bool close_ = false;
  bool continue_owed_ = false;
  bool keep_alive_asked_10_ = false;
};

}  // namespace millrace::h1
