// One HTTP/2 stream of ours: a request and its answer, as the fetch engine sees them.
//
// Answers: bytes that arrive wait in `inbox_`, at most a stream window of them, and the window is
// given back when the reader asks for the next piece. Requests: a piece stays with its source until
// nghttp2 has taken it.
//
// Life: made by the connection; gone when its user has given it back and nghttp2 has closed the
// stream, whichever is later, or with the connection. Thread rule: the connection's io thread.
#pragma once

#include "base/byte_buffer.hpp"
#include "h2/response_collector.hpp"
#include "millrace/client_exchange.hpp"
#include "runtime/io_thread.hpp"
#include "runtime/task_group.hpp"

#include <memory>

#include <boost/intrusive/list.hpp>

namespace millrace::h2 {

class ClientConnection;

class ClientStream final : public ClientExchange,
                           public boost::intrusive::list_base_hook<
                               boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  explicit ClientStream(ClientConnection& connection);
  static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
  static void operator delete(void* p, std::size_t size) noexcept {
    frame_pool::deallocate(p, size);
  }

  // --- what the connection tells ---

  [[nodiscard]] std::int32_t id() const noexcept { return id_; }
  [[nodiscard]] bool add_field(nghttp2_rcbuf* name, nghttp2_rcbuf* value);
  void head_ended(bool end_stream);
  void receive(Bytes bytes);
  void body_ended();
  /// nghttp2 has closed the stream. True: it may be forgotten.
  [[nodiscard]] bool closed(std::uint32_t h2_error) noexcept;
  /// The connection is gone. True: it may be forgotten.
  [[nodiscard]] bool connection_ended(Errc reason) noexcept;
  /// Nothing of it will be sent.
  void not_sent() noexcept { refused_ = true; }
  /// Its last frame has gone out.
  void sent() noexcept;
  /// Of the request's body, up to `length` bytes are ready for a DATA frame; nghttp2's read
  /// callback.
  [[nodiscard]] ssize_t offer(std::size_t length, std::uint32_t& flags);
  [[nodiscard]] std::size_t held_bytes() const noexcept { return view_.size(); }
  void take(std::size_t length, ByteBuffer& to);

  // --- ClientExchange ---

  [[nodiscard]] Result<void> send(const OutgoingRequest& request,
                                  const ExchangeTimeouts& timeouts) override;
  [[nodiscard]] Task<Result<void>> read_head() override;
  [[nodiscard]] Task<Result<Bytes>> read_body() override;
  [[nodiscard]] bool body_done() const noexcept override {
    return body_ended_ && inbox_.empty() && error_.is(Errc::kCount_);
  }
  [[nodiscard]] const http::Fields* trailers() override {
    return body_done() ? trailers_in_.get() : nullptr;
  }
  void send_tunnel(BodySource&) override {}  // no answer of HTTP/2 opens one
  [[nodiscard]] bool sending() const noexcept override { return sender_.size() != 0; }
  [[nodiscard]] Task<void> stop() override;
  void give_back() noexcept override;

 private:
  /// For the head, then between two pieces of the body.
  struct ReadLimit final : Deadline {
    explicit ReadLimit(ClientStream& s) noexcept : stream(s) {}
    void expired() noexcept override;
    ClientStream& stream;
  };
  struct SendLimit final : Deadline {
    explicit SendLimit(ClientStream& s) noexcept : stream(s) {}
    void expired() noexcept override;
    ClientStream& stream;
  };

  Task<void> send_body(BodySource& source);
  Task<Result<void>> send_piece(Bytes piece);
  void fail_sending(Error error) noexcept;
  void resume() noexcept;
  void arm_first_byte() noexcept;

  void final_head(bool end_stream);
  void interim_head(bool end_stream);
  void keep_trailer(const http::Field& field);
  /// Ends the exchange with `error`, and the stream with `h2_error`.
  void break_off(Error error, std::uint32_t h2_error) noexcept;
  void reset_stream(std::uint32_t h2_error) noexcept;
  void give_back_window() noexcept;
  [[nodiscard]] bool alive() const noexcept { return !closed_ && id_ > 0; }

  ClientConnection& connection_;
  std::int32_t id_ = 0;  // 0: nothing was sent
  ResponseCollector collector_;
  InterimSink* interim_ = nullptr;
  ExchangeTimeouts timeouts_;
  http::Method method_ = http::Method::kGet;
  unsigned interims_ = 0;

  ByteBuffer inbox_;
  ByteBuffer given_;  // the piece that the reader has
  std::unique_ptr<http::Fields> trailers_in_;
  std::size_t trailer_bytes_ = 0;
  std::size_t trailer_count_ = 0;
  std::uint64_t arrived_bytes_ = 0;  // of the body
  Event changed_;                    // something for the reader
  ReadLimit read_limit_{*this};
  Error error_ = Errc::kCount_;  // kCount_: none

  TaskGroup sender_;
  BodySource* source_ = nullptr;
  std::string_view view_;  // the piece of the source that is being sent
  std::uint64_t left_to_send_ = 0;
  Event taken_;
  SendLimit send_limit_{*this};

  bool length_known_ = false;  // of the request
  bool source_ended_ = false;
  bool deferred_ = false;  // nghttp2 waits for resume_data
  bool body_ended_ = false;
  bool closed_ = false;     // nghttp2 knows the stream no longer
  bool abandoned_ = false;  // given back
  bool reset_ = false;      // by us
};

}  // namespace millrace::h2
