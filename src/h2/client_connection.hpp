// The client's side of one HTTP/2 connection (RFC 9113): many exchanges at once.
//
// It is driven by events: what the socket brings is fed to nghttp2, which tells the streams; frames
// are made when they can be written. While nothing comes and streams wait, and when a stream is
// opened on a connection that has been silent, a PING asks whether anybody is there.
//
// Flow control: a stream's window follows its reader, the connection's does not, so that one slow
// reader stands in nobody's way. What unread answers can cost is a stream window each.
//
// Ownership: owns the socket, nghttp2's session and the streams. Its host destroys it once
// is_over(), not from within a callback of it. Thread rule: one io thread.
#pragma once

#include "h2/budget.hpp"
#include "h2/client_stream.hpp"
#include "h2/limits.hpp"
#include "h2/nghttp2.hpp"
#include "http/gate.hpp"
#include "millrace/client_exchange.hpp"
#include "net/io_result.hpp"
#include "net/output.hpp"
#include "net/stream.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

#include <boost/intrusive/list.hpp>

namespace millrace::h2 {

class ClientConnection final : net::OutputSource, ReadyWatcher, Cancellable {
 public:
  struct Options {
    /// Of an answer's head, each interim one too.
    http::HeadLimits head;
    /// Interim (1xx) heads before the final one: more are a flood (kUpstreamBadMessage).
    unsigned interim_max = 16;
    /// The peer takes no byte for this long while we send: kUpstreamIdleTimeout.
    Duration write_stall = std::chrono::seconds(60);
    /// Streams wait and nothing came for so long: PING. gRPC servers take offence at more than a
    /// few of them without data.
    Duration ping_after = std::chrono::seconds(45);
    /// A stream opened alone after so much silence brings a PING along: the peer may be long gone.
    Duration ping_on_reuse_after = std::chrono::seconds(5);
    /// No byte came for so long after a PING was sent: the connection is dead.
    Duration ping_patience = std::chrono::seconds(5);
    /// At once, whatever the peer allows.
    std::size_t streams_max = 256;
    /// How much of one answer may be on its way before its reader has taken any.
    std::int32_t stream_window_bytes = kAnswerWindowBytes;
    bool https = false;  ///< the scheme
  };

  /// Told when there is room for a stream, when no more are taken, and when it is over.
  class Host {
   public:
    virtual void connection_changed(ClientConnection& connection) noexcept = 0;

   protected:
    ~Host() = default;
  };

  /// Sends the preface and our SETTINGS. `host` must outlive it.
  ClientConnection(net::Stream stream, const Options& options, Host& host);
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;
  ~ClientConnection();

  /// Neither side has said goodbye.
  [[nodiscard]] bool takes_streams() const noexcept;
  /// For so many more streams.
  [[nodiscard]] std::size_t room() const noexcept;
  /// Streams that somebody has, or that are not closed yet.
  [[nodiscard]] std::size_t streams() const noexcept { return streams_count_; }
  /// Nothing is left of it, and nothing will come.
  [[nodiscard]] bool is_over() const noexcept { return streams_count_ == 0 && !takes_streams(); }
  /// Streams opened so far.
  [[nodiscard]] std::uint64_t opened() const noexcept { return opened_; }

  /// A stream for one exchange. Only with room().
  [[nodiscard]] ExchangePtr open();
  /// No more streams; GOAWAY, and the end when those that there are have ended.
  void close_gracefully() noexcept;
  /// The same at once.
  void close() noexcept { end(Errc::kUpstreamClosed); }

  // --- for the streams ---

  [[nodiscard]] nghttp2_session* raw() const noexcept { return session_.get(); }
  [[nodiscard]] const Options& options() const noexcept { return options_; }
  void queued() noexcept {
    if (!dead_) output_.queued();
  }
  /// Its user has given a stream back; it is destroyed, unless nullptr: it lives on until nghttp2
  /// has closed it.
  void stream_left(ClientStream* stream) noexcept;

  // nghttp2's callbacks
  int on_begin_frame(const nghttp2_frame_hd& head);
  int on_header(const nghttp2_frame& frame, nghttp2_rcbuf* name, nghttp2_rcbuf* value);
  int on_frame(const nghttp2_frame& frame);
  int on_data(std::int32_t stream_id, std::string_view bytes);
  int on_frame_sent(const nghttp2_frame& frame);
  int on_frame_not_sent(const nghttp2_frame& frame);
  int on_stream_close(std::int32_t stream_id, std::uint32_t h2_error);
  int on_send_data(ClientStream& stream, const std::uint8_t* frame_head, std::size_t length);

 private:
  struct Silence final : Deadline {
    explicit Silence(ClientConnection& c) noexcept : connection(c) {}
    void expired() noexcept override { connection.silent(); }
    ClientConnection& connection;
  };

  struct Closer final : TurnHook {
    explicit Closer(ClientConnection& c) noexcept : connection(c) {}
    void end_of_turn() noexcept override;
    ClientConnection& connection;
  };

  struct Ender final : TurnHook {
    explicit Ender(ClientConnection& c) noexcept : connection(c) {}
    void end_of_turn() noexcept override;
    ClientConnection& connection;
  };

  struct Reader final : TurnHook {
    explicit Reader(ClientConnection& c) noexcept : connection(c) {}
    void end_of_turn() noexcept override;
    ClientConnection& connection;
  };

  void descriptor_ready() noexcept override;                      // something to read
  void cancel() noexcept override { end(Errc::kUpstreamReset); }  // writing failed
  bool refill(ByteBuffer& to) noexcept override;

  void submit_settings();
  /// nullopt: the connection has ended.
  [[nodiscard]] std::optional<net::IoResult> read_some();
  void feed(std::string_view bytes);
  void ping() noexcept;
  void silent() noexcept;
  void end(Errc reason) noexcept;
  void stop(Errc reason) noexcept;
  [[nodiscard]] ClientStream* find(std::int32_t stream_id) const noexcept;
  void forget(ClientStream& stream) noexcept;
  void spend(double tokens) noexcept;

  const Options options_;
  Host& host_;
  net::Stream stream_;
  net::Output output_;
  Scope write_failure_;
  boost::intrusive::list<ClientStream, boost::intrusive::constant_time_size<false>> streams_;
  SessionPtr session_;
  Budget frames_;
  DataEarnings earnings_;
  Silence silence_{*this};
  Closer closer_{*this};
  Ender ender_{*this};
  Reader reader_{*this};
  ByteBuffer* batch_ = nullptr;  // while refilling
  TimePoint heard_at_;
  std::size_t streams_count_ = 0;
  std::size_t held_ = 0;  // by somebody
  std::uint64_t opened_ = 0;
  Errc fault_ = Errc::kUpstreamBadMessage;  // why feeding failed
  bool pinged_ = false;                     // and no byte came since
  bool goaway_ = false;
  bool dead_ = false;
};

}  // namespace millrace::h2
