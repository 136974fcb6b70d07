// nghttp2's session of one client connection, the streams on it, and what they may cost.
//
// It is fed with what was read and makes frames when its output asks for them. Functions of nghttp2
// that make streams progress are called from feed() and refill() alone; handlers run between them.
//
// Ownership: owns nghttp2's session and the streams. Thread rule: one io thread.
#pragma once

#include "h2/budget.hpp"
#include "h2/limits.hpp"
#include "h2/nghttp2.hpp"
#include "h2/server_stream.hpp"
#include "millrace/pipeline.hpp"
#include "net/output.hpp"
#include "runtime/task_group.hpp"

#include <string_view>

namespace millrace::h2 {

class ServerSession final : net::OutputSource, DrainWatcher {
 public:
  /// `over` is cancelled when nothing more is to be read. All references must outlive the session.
  ServerSession(net::Output& output, const PeerInfo& peer, Pipeline& pipeline, bool https,
                Scope& over);
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;
  ~ServerSession();

  /// Sends our SETTINGS.
  void start();
  void feed(std::string_view bytes);
  /// Ends every exchange with `reason` and waits for them.
  [[nodiscard]] Task<void> end_streams(Errc reason);
  /// GOAWAY: the connection ends when this was sent.
  void terminate(std::uint32_t h2_error) noexcept;

  [[nodiscard]] bool has_streams() const noexcept { return handlers_.size() != 0; }
  /// When the client last said something, or the last answer to it ended.
  [[nodiscard]] TimePoint idle_since() const noexcept { return idle_since_; }
  /// A head has begun and is not complete, or the client's preface is not.
  [[nodiscard]] bool in_head() const noexcept { return head_open_ || !settings_seen_; }
  /// Counts the heads that have begun, the preface as the first.
  [[nodiscard]] std::uint64_t head_number() const noexcept { return head_number_; }
  /// Of bodies, so far.
  [[nodiscard]] std::uint64_t data_bytes() const noexcept { return data_bytes_; }
  /// GOAWAY told the client that it costs too much.
  [[nodiscard]] bool sent_away() const noexcept { return sent_away_; }
  /// So much waits for a client that does not read that it must not cause more.
  [[nodiscard]] bool is_congested() const noexcept;

  // --- for the streams ---

  [[nodiscard]] nghttp2_session* raw() const noexcept { return session_.get(); }
  [[nodiscard]] Pipeline& pipeline() const noexcept { return pipeline_; }
  [[nodiscard]] bool https() const noexcept { return https_; }
  /// There is something to be written.
  void queued() noexcept { output_.queued(); }
  /// Of answers, in memory of ours.
  [[nodiscard]] std::size_t held_bytes() const noexcept { return held_bytes_; }
  void hold(std::size_t bytes) noexcept { held_bytes_ += bytes; }
  /// Of heads and trailers, for as long as their streams live.
  [[nodiscard]] std::size_t head_bytes() const noexcept { return head_bytes_; }
  void hold_head(std::size_t bytes) noexcept { head_bytes_ += bytes; }
  void let_go_head(std::size_t bytes) noexcept { head_bytes_ -= bytes; }
  void let_go(std::size_t bytes) noexcept {
    held_bytes_ -= bytes;
    if (held_bytes_ <= kHeldBytesMax) room_.set();
  }
  void answered() noexcept;
  /// Whether the next head should teach the client's HPACK table the names of fields whose values
  /// never come twice; now and then, since others push them out.
  [[nodiscard]] bool teaches_names() noexcept { return heads_sent_++ % kHeadsPerLesson == 0; }

  // nghttp2's callbacks
  int on_begin_frame(const nghttp2_frame_hd& head);
  int on_begin_headers(const nghttp2_frame& frame);
  int on_header(nghttp2_rcbuf* name, nghttp2_rcbuf* value);
  int on_frame(const nghttp2_frame& frame);
  int on_data(std::int32_t stream_id, std::string_view bytes);
  int on_frame_sent(const nghttp2_frame& frame);
  int on_stream_close(std::int32_t stream_id);
  int on_send_data(ServerStream& stream, const std::uint8_t* frame_head, std::size_t length);

 private:
  static constexpr std::uint64_t kHeadsPerLesson = 256;
  /// Phases of a drain (RFC 9113 section 6.8).
  struct DrainLimit final : Deadline {
    explicit DrainLimit(ServerSession& s) noexcept : session(s) {}
    void expired() noexcept override { session.end_notice(); }
    ServerSession& session;
  };

  bool refill(ByteBuffer& to) noexcept override;
  void draining() noexcept override;
  void end_notice() noexcept;
  void spend(Budget& budget, double tokens) noexcept;
  void end_head(bool of_request, bool end_stream);
  void open(ServerStream& stream, bool end_stream);
  [[nodiscard]] bool has_room_for_head() const noexcept {
    return head_bytes_ <= (waiting_ != 0 ? kHeadBytesWaitingMax : kHeadBytesMax);
  }
  [[nodiscard]] Task<Result<void>> wait_for_room();
  [[nodiscard]] Task<void> run(ServerStream& stream);
  void forget(ServerStream& stream) noexcept;
  [[nodiscard]] ServerStream* find(std::int32_t stream_id) const noexcept;

  net::Output& output_;
  const PeerInfo& peer_;
  Pipeline& pipeline_;
  Scope& over_;
  const bool https_;
  boost::intrusive::list<ServerStream, boost::intrusive::constant_time_size<false>> streams_;
  SessionPtr session_;
  Event room_;  // not too much of answers is held
  TaskGroup handlers_;
  Budget frames_;
  DataEarnings earnings_;
  Budget resets_;
  DrainLimit drain_limit_{*this};
  ByteBuffer* batch_ = nullptr;      // while refilling
  ServerStream* heading_ = nullptr;  // whose fields are being decoded
  TimePoint idle_since_;
  std::size_t held_bytes_ = 0;
  std::size_t head_bytes_ = 0;
  std::size_t waiting_ = 0;  // handlers, for room
  std::uint64_t head_number_ = 1;
  std::uint64_t heads_sent_ = 0;
  std::uint64_t data_bytes_ = 0;
  bool head_open_ = false;
  bool settings_seen_ = false;
  bool terminated_ = false;
  bool sent_away_ = false;
  bool deaf_ = false;  // nghttp2 takes nothing more
  bool notice_sent_ = false;
};

}  // namespace millrace::h2
