// One HTTP/2 stream: the Exchange that handlers see.
//
// Bodies: bytes that arrive wait in `inbox_`, at most a stream window of them, and the window is
// given back when the handler asks for the next piece. Answers: small pieces are gathered in
// `outbox_`, large ones stay with their writer, who waits until nghttp2 has taken them.
//
// Life: made by the connection when a head begins; gone when the handler has ended and nghttp2 has
// closed the stream, whichever is later. Thread rule: the connection's io thread.
#pragma once

#include "base/byte_buffer.hpp"
#include "h2/head_collector.hpp"
#include "millrace/exchange.hpp"
#include "runtime/io_thread.hpp"

#include <array>
#include <memory>

#include <boost/intrusive/list.hpp>

namespace millrace::h2 {

class ServerSession;

class ServerStream final : public Exchange,
                           public boost::intrusive::list_base_hook<
                               boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  ServerStream(ServerSession& session, std::int32_t id, const PeerInfo& peer);
  ~ServerStream();
  static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
  static void operator delete(void* p, std::size_t size) noexcept {
    frame_pool::deallocate(p, size);
  }

  // --- what the session tells ---

  [[nodiscard]] bool add_field(nghttp2_rcbuf* name, nghttp2_rcbuf* value);
  /// The head is complete: parses and judges it.
  [[nodiscard]] Result<void> open(bool end_stream);
  void receive(Bytes bytes);
  void body_ended();
  /// The fields behind the body are complete; they must be the stream's end.
  void trailers_ended(bool end_stream);
  /// nghttp2 has forgotten the stream. True: so may the connection.
  [[nodiscard]] bool closed() noexcept;
  /// The last frame of the answer has gone out.
  void answer_sent() noexcept;

  /// Of the answer, up to `length` bytes are ready for a DATA frame; nghttp2's read callback.
  [[nodiscard]] ssize_t offer(std::size_t length, std::uint32_t& flags);
  /// What take() can give now. Less than was offered when a writer gave up meanwhile.
  [[nodiscard]] std::size_t held_bytes() const noexcept { return outbox_.size() + view_.size(); }
  /// Moves `length` bytes of the answer to `to`.
  void take(std::size_t length, ByteBuffer& to);

  // --- what the connection does with it ---

  [[nodiscard]] std::int32_t id() const noexcept { return id_; }
  [[nodiscard]] Scope& scope() noexcept { return scope_; }
  [[nodiscard]] const http::Priority& priority() const noexcept { return collector_.priority; }
  /// True: the connection may forget the stream.
  [[nodiscard]] bool handler_done() noexcept;
  /// A reset that is our own doing, not provoked by the client's frames.
  [[nodiscard]] bool reset_by_us() const noexcept { return reset_by_us_; }
  /// Its request breaks the rules, so it was reset; the connection's frames are in order.
  [[nodiscard]] bool is_malformed() const noexcept { return malformed_; }

  // --- Exchange ---

  Task<Result<Bytes>> read_body() override;
  const http::Fields* request_trailers() const noexcept override { return trailers_in_.get(); }
  void interim(int status, const http::Fields& fields) override;
  Task<Result<void>> write(Bytes bytes) override;
  Result<void> end_body(const http::Fields* trailers) override;

 private:
  struct BodyLimit final : Deadline {
    explicit BodyLimit(ServerStream& s) noexcept : stream(s) {}
    void expired() noexcept override;
    ServerStream& stream;
    bool passed = false;
  };
  struct SendLimit final : Deadline {
    explicit SendLimit(ServerStream& s) noexcept : stream(s) {}
    void expired() noexcept override;
    ServerStream& stream;
  };

  void write_head(const http::ResponseHead& head) override;
  void write_whole(const http::ResponseHead& head, std::string_view body) override;

  [[nodiscard]] bool book(std::size_t bytes) noexcept;
  void give_back_window() noexcept;
  void resume() noexcept;
  [[nodiscard]] bool stalled() const noexcept;
  void keep_trailer(const http::Field& field);
  void hold_head(std::size_t bytes) noexcept;
  void break_off() noexcept;
  void reset_stream(std::uint32_t h2_error) noexcept;
  void fail_sending(Errc errc) noexcept;

  ServerSession& session_;
  const std::int32_t id_;
  http::RequestHead head_;
  HeadCollector collector_;
  Scope scope_;

  ByteBuffer inbox_;
  ByteBuffer given_;  // the piece that the handler has
  std::unique_ptr<http::Fields> trailers_in_;
  std::size_t trailer_count_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::size_t held_head_bytes_ = 0;  // as the session counts them
  std::uint64_t arrived_bytes_ = 0;  // of the body
  Event readable_;
  BodyLimit body_limit_{*this};
  Duration waited_for_body_{};

  ByteBuffer outbox_;
  std::string_view view_;  // of a writer that waits, or of small_body_
  // A whole answer of this size needs no block: those of many streams would share cache sets.
  std::array<char, 128> small_body_;
  std::unique_ptr<http::Fields> trailers_out_;
  Event taken_;
  SendLimit send_limit_{*this};
  std::uint64_t left_to_send_ = 0;
  std::uint64_t taken_bytes_ = 0;
  std::uint64_t taken_at_arming_ = 0;

  Errc send_error_ = Errc::kCount_;  // kCount_: none
  bool length_known_ = false;        // of the answer
  bool bodiless_ = false;            // the answer ends with its head
  bool opened_ = false;              // the request's head is complete
  bool body_ended_ = false;          // the request's
  bool deferred_ = false;            // nghttp2 waits for resume_data
  bool continue_owed_ = false;
  bool malformed_ = false;   // gets RST_STREAM in the place of an answer
  bool broken_off_ = false;  // malformed behind its head
  bool tunnel_ = false;
  bool closed_ = false;  // nghttp2 knows the stream no longer
  bool handler_done_ = false;
  bool answer_sent_ = false;
  bool reset_by_us_ = false;
};

}  // namespace millrace::h2
