#include "proxy/request_buffer.hpp"

#include "base/log.hpp"
#include "http/ascii.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>

namespace millrace::proxy {
namespace {

bool is_grpc(const http::RequestHead& request) noexcept {
  return http::istarts_with(request.fields.value_or(http::FieldId::kContentType, {}),
                            "application/grpc");
}

/// A block for what is surely still to come, so that small bodies need little.
std::size_t block_bytes(const http::BodyLength& length, std::uint64_t taken) noexcept {
  if (!length.is_known()) return ByteBuffer::kLargeBytes;
  const std::uint64_t left = length.bytes - taken;
  if (left <= ByteBuffer::kSmallBytes) return ByteBuffer::kSmallBytes;
  return left <= ByteBuffer::kMediumBytes ? ByteBuffer::kMediumBytes : ByteBuffer::kLargeBytes;
}

bool take(ByteAllowance* allowance, std::uint64_t bytes) noexcept {
  return allowance == nullptr || allowance->take(bytes);
}

void give_back(ByteAllowance* allowance, std::uint64_t bytes) noexcept {
  if (allowance != nullptr) allowance->give_back(bytes);
}

}  // namespace

BufferedBody::~BufferedBody() {
  release_blocks();
  give_back(options_.disk, disk_bytes_);
}

bool BufferedBody::is_wanted() const noexcept {
  const http::RequestHead& request = exchange_.request;
  if (options_.kind == Buffering::kOff || request.body.is_none() || !request.upgrade.empty())
    return false;
  const bool small = request.body.is_known() && request.body.bytes <= options_.bytes_max;
  return (small || options_.kind == Buffering::kSpill) && !is_grpc(request);
}

bool BufferedBody::is_all_here(std::uint64_t bytes) const noexcept {
  return exchange_.request.body.is_known() && exchange_.request.body.bytes == bytes;
}

// --- taking in ---

bool BufferedBody::copy(Bytes piece) {
  while (!piece.empty()) {
    if (blocks_.empty() || blocks_.back().room() == 0) {
      const std::size_t size = block_bytes(exchange_.request.body, taken_bytes_);
      if (!take(options_.memory, size)) {
        last_ = piece;
        return false;
      }
      memory_bytes_ += size;
      (void)blocks_.emplace_back().prepare(size, size);
    }
    const std::size_t part = std::min(piece.size(), blocks_.back().room());
    blocks_.back().append({piece.data(), part});
    taken_bytes_ += part;
    piece = piece.subspan(part);
  }
  return true;
}

std::string BufferedBody::copy() const {
  std::string out;
  out.reserve(static_cast<std::size_t>(taken_bytes_));
  for (const ByteBuffer& block : blocks_) out.append(block.data(), block.size());
  return out.append(last_.data(), last_.size());
}

void BufferedBody::release_blocks() noexcept {
  blocks_.clear();
  give_back(options_.memory, std::exchange(memory_bytes_, 0));
}

Task<Result<bool>> BufferedBody::spill() {
  std::uint64_t bytes = 0;
  for (const ByteBuffer& block : blocks_) bytes += block.size();
  if (!take(options_.disk, bytes)) co_return false;
  disk_bytes_ += bytes;
  if (file_ == nullptr) file_ = std::make_unique<SpillFile>(*options_.pool);
  while (!blocks_.empty()) {
    const std::string_view block = blocks_.front().view();
    const Result<void> written =
        co_await file_->append(options_.folder, {block.data(), block.size()});
    if (!written) {
      // A scope that is cancelled says so at the next wait.
      log::event(LogLevel::kWarn, "request_not_spilled",
                 {{"folder", options_.folder.native()}, {"error", written.error().describe()}});
      co_return false;
    }
    blocks_.erase(blocks_.begin());
  }
  release_blocks();
  co_return true;
}

Task<Result<bool>> BufferedBody::keep(Bytes piece) {
  if (taken_bytes_ == 0 && is_all_here(piece.size())) {
    last_ = piece;
    taken_bytes_ = piece.size();
    co_return true;
  }
  if (!copy(piece)) co_return false;
  if (options_.kind != Buffering::kSpill ||
      blocks_.size() * ByteBuffer::kLargeBytes < kMemoryBytesMax)
    co_return true;
  co_return co_await spill();
}

Task<Result<void>> BufferedBody::collect() {
  while (!complete_) {
    const Result<Bytes> piece = co_await exchange_.read_body();
    if (!piece) co_return fail(piece.error());
    if (!piece->empty()) {
      const Result<bool> kept = co_await keep(*piece);
      if (!kept) co_return fail(kept.error());
      if (!*kept) co_return Result<void>{};
    }
    complete_ = piece->empty() || is_all_here(taken_bytes_);
  }
  co_return Result<void>{};
}

Task<Result<void>> BufferedBody::take_in() {
  if (options_.kind == Buffering::kSpill) co_return co_await collect();
  DeadlineScope limit(Errc::kDeadline, options_.time_max);
  const Result<void> collected = co_await in_scope(limit.scope(), collect());
  if (!collected && limit.passed()) co_return Result<void>{};
  co_return collected;
}

// --- sending ---

http::BodyLength BufferedBody::length() const noexcept {
  const http::Fields* trailers = exchange_.request_trailers();
  const bool framed_anew = complete_ && (trailers == nullptr || trailers->empty());
  return framed_anew ? http::BodyLength::known(taken_bytes_) : exchange_.request.body;
}

Task<Result<Bytes>> BufferedBody::read_file() {
  from_file_.clear();
  const std::span<char> room = from_file_.prepare(ByteBuffer::kLargeBytes, ByteBuffer::kLargeBytes);
  const std::uint64_t left = file_->size() - file_at_;
  const Result<std::size_t> n = co_await file_->read(
      file_at_, room.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, room.size()))));
  if (!n) co_return fail(n.error());
  file_at_ += *n;
  co_return Bytes(room.first(*n));
}

Task<Result<Bytes>> BufferedBody::read() {
  if (file_ != nullptr && file_at_ < file_->size()) co_return co_await read_file();
  if (block_at_ < blocks_.size()) {
    const std::string_view block = blocks_[block_at_++].view();
    co_return Bytes(block.data(), block.size());
  }
  if (!last_given_ && !last_.empty()) {
    last_given_ = true;
    co_return last_;
  }
  if (complete_) co_return Bytes{};
  beyond_ = true;
  co_return co_await exchange_.read_body();
}

bool BufferedBody::rewind() noexcept {
  if (beyond_) return false;
  file_at_ = 0;
  block_at_ = 0;
  last_given_ = false;
  return true;
}

}  // namespace millrace::proxy
