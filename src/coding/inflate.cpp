#include "coding/inflate.hpp"

#include <algorithm>
#include <limits>
#include <new>

namespace millrace::coding {

namespace {

uInt as_uint(std::size_t n) noexcept {
  return static_cast<uInt>(std::min<std::size_t>(n, std::numeric_limits<uInt>::max()));
}

}  // namespace

Inflate::Inflate(Format format) {
  if (::inflateInit2(&stream_, static_cast<int>(format)) != Z_OK) throw std::bad_alloc();
}

Inflate::~Inflate() {
  ::inflateEnd(&stream_);
}

Result<Decoder::Step> Inflate::run(std::span<const char> in, std::span<char> out) {
  // zlib does not write to its input; its type is older than const.
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream_.avail_in = as_uint(in.size());
  stream_.next_out = reinterpret_cast<Bytef*>(out.data());
  stream_.avail_out = as_uint(out.size());
  const uInt in_before = stream_.avail_in;
  const uInt out_before = stream_.avail_out;
  const int status = ::inflate(&stream_, Z_NO_FLUSH);
  ended_ = status == Z_STREAM_END;
  if (status == Z_MEM_ERROR) return fail(Errc::kOutOfMemory);
  // Z_BUF_ERROR: no progress was possible, which is no error of the bytes.
  if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
    return fail(Errc::kUpstreamBadCoding);
  return Decoder::Step{in_before - stream_.avail_in, out_before - stream_.avail_out};
}

void Inflate::restart() {
  ::inflateReset(&stream_);
  ended_ = false;
}

}  // namespace millrace::coding
