#include "client/response.hpp"

#include "runtime/io_thread.hpp"

#include <cassert>
#include <string>

namespace millrace::client {
namespace {

/// What is decoded between two chances for others.
constexpr std::size_t kSliceBytes = ByteBuffer::kMediumBytes;

}  // namespace

Response::Response(ExchangePtr exchange, Request& request) noexcept
    : exchange_(std::move(exchange)), request_(&request) {
  request.trace.version = exchange_->version();
}

Response::~Response() {
  assert((exchange_ == nullptr || !http().sending()) &&
         "await close() when the request had a body");
}

Task<Result<Bytes>> Response::read_in_time() {
  DeadlineScope limit(Errc::kUpstreamIdleTimeout, request_->timeouts.idle);
  co_return co_await in_scope(limit.scope(), http().read_body());
}

// The codec's own deadlines are coarse.
Task<Result<Bytes>> Response::read_wire() {
  const bool coarse = request_->timeouts.idle >= std::chrono::seconds(1);
  return coarse || is_tunnel() ? http().read_body() : read_in_time();
}

Result<void> Response::start_decoding() {
  if (http().body_length().is_none()) return {};
  std::string codings;
  for (const http::Field& field : fields()) {
    if (field.id != http::FieldId::kContentEncoding) continue;
    if (!codings.empty()) codings += ", ";
    codings += field.value;
  }
  auto decoder = coding::make_decoder(codings, {.output_bytes_max = request_->body_bytes_max});
  if (!decoder) return fail(decoder.error());
  decoder_ = std::move(*decoder);
  if (decoder_ != nullptr) http().fields().remove(http::FieldId::kContentEncoding);
  return {};
}

// One slice of decoding; empty when more input is needed.
Result<Bytes> Response::decode_some() {
  plain_.clear();
  const std::span<char> room = plain_.prepare(kSliceBytes, kSliceBytes);
  while (!encoded_.empty() || more_inside_) {
    const Result<coding::Decoder::Step> step = decoder_->decode(encoded_, room);
    if (!step) return fail(step.error());
    encoded_ = encoded_.subspan(step->consumed);
    more_inside_ = step->produced == room.size();
    if (step->produced != 0) return Bytes(room.first(step->produced));
    if (step->consumed == 0 && !encoded_.empty()) return fail(Errc::kUpstreamBadCoding);
  }
  return Bytes{};
}

Task<Result<Bytes>> Response::read_decoded() {
  while (!decoded_) {
    const Result<Bytes> plain = decode_some();
    if (!plain || !plain->empty()) {
      // Little input can become much output: the thread's other work gets its turn in between.
      if (more_inside_) co_await yield_now();
      co_return plain;
    }
    plain_.release();
    const Result<Bytes> piece = co_await read_wire();
    if (!piece) co_return piece;
    encoded_ = *piece;
    if (!piece->empty()) continue;
    if (const auto whole = decoder_->finish(); !whole) co_return fail(whole.error());
    decoded_ = true;
  }
  co_return Bytes{};
}

Task<Result<Bytes>> Response::read() {
  Result<Bytes> piece = decoder_ != nullptr ? co_await read_decoded() : co_await read_wire();
  if (!piece) co_return piece;
  if (piece->empty() || done()) request_->trace.timings.end(Phase::kReceive);
  received_bytes_ += piece->size();
  if (received_bytes_ > request_->body_bytes_max) co_return fail(Errc::kUpstreamTooLarge);
  co_return piece;
}

Task<void> Response::stop() {
  co_await http().stop();
  exchange_.reset();
}

Task<void> Response::close() {
  if (exchange_ != nullptr && http().sending()) return stop();
  exchange_.reset();
  return {};
}

}  // namespace millrace::client
