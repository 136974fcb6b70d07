#include "client/connect_tunnel.hpp"

#include "base/byte_buffer.hpp"
#include "h1/head_parser.hpp"
#include "h1/head_writer.hpp"
#include "http/gate.hpp"
#include "http/head_scan.hpp"
#include "runtime/io_thread.hpp"

#include <cstddef>

namespace millrace::client {
namespace {

Task<Result<void>> write_head(net::Stream& stream, const TunnelOptions& options) {
  http::Fields fields;
  if (!options.authorization.empty())
    fields.add(http::FieldId::kProxyAuthorization, options.authorization);
  ByteBuffer out;
  h1::write_request_head(out, {"CONNECT", options.authority, options.authority}, fields,
                         http::BodyLength::none(), false);
  while (!out.empty() || stream.has_unsent()) {
    const net::IoResult r = out.empty() ? stream.flush_some() : stream.write_some(out.view());
    if (r.end() || r.error()) co_return fail(Errc::kConnectFailed, r.os_error);
    if (r.done()) {
      out.consume(r.bytes);
    } else if (const auto ready = co_await stream.wait(r.want); !ready) {
      co_return fail(ready.error());
    }
  }
  co_return Result<void>{};
}

Task<Result<void>> read_more(net::Stream& stream, ByteBuffer& in) {
  for (;;) {
    const net::IoResult r = stream.read_some(in.prepare(1, ByteBuffer::kSmallBytes));
    if (r.end() || r.error()) co_return fail(Errc::kConnectFailed, r.os_error);
    if (r.done()) {
      in.commit(r.bytes);
      co_return Result<void>{};
    }
    if (const auto ready = co_await stream.wait(r.want); !ready) co_return fail(ready.error());
  }
}

/// The status of the next head, when it is whole; 0: it is not. Takes it out of `in`.
Result<int> take_head(ByteBuffer& in, http::HeadScanner& scanner, const http::HeadLimits& limits) {
  const Result<std::size_t> size = scanner.scan(in.view());
  if (!size) return fail(size.error());
  if (*size == 0) return 0;
  scanner.reset();
  h1::RawResponse head;
  http::Fields fields;
  if (const auto parsed = h1::parse_response(in.view().substr(0, *size), head, fields); !parsed)
    return fail(parsed.error());
  const auto length =
      http::judge_response(head.status, http::Method::kConnect, head.version, fields, limits, true);
  if (!length) return fail(length.error());
  in.consume(*size);
  return head.status;
}

Task<Result<int>> final_status(net::Stream& stream, const TunnelOptions& options, ByteBuffer& in) {
  http::HeadScanner scanner(http::HeadKind::kResponse, options.head);
  unsigned interims = 0;
  for (;;) {
    const Result<int> status = in.empty() ? Result<int>(0) : take_head(in, scanner, options.head);
    if (!status || *status >= 200) co_return status;
    if (*status == 0) {
      if (const auto read = co_await read_more(stream, in); !read) co_return fail(read.error());
    } else if (*status == 101 || ++interims > kTunnelInterimMax) {
      co_return fail(Errc::kUpstreamBadMessage);
    }
  }
}

Errc refusal_of(int status) noexcept {
  switch (status) {
    case 407:
      return Errc::kProxyAuthRequired;
    case 502:
    case 503:
      return Errc::kConnectFailed;
    case 504:
      return Errc::kConnectTimeout;
    default:
      return Errc::kProxyRefused;
  }
}

Task<Result<void>> run(net::Stream& stream, const TunnelOptions& options, TunnelTrace& trace) {
  if (const auto written = co_await write_head(stream, options); !written) co_return written;
  ByteBuffer in;
  const Result<int> status = co_await final_status(stream, options, in);
  if (!status) co_return fail(status.error());
  trace.status = *status;
  if (*status >= 300) co_return fail(refusal_of(*status));
  if (!in.empty()) co_return fail(Errc::kUpstreamBadMessage);
  co_return Result<void>{};
}

}  // namespace

Task<Result<void>> connect_tunnel(net::Stream& stream, const TunnelOptions& options,
                                  TunnelTrace& trace) {
  DeadlineScope limit(Errc::kConnectTimeout, options.timeout);
  co_return co_await in_scope(limit.scope(), run(stream, options, trace));
}

}  // namespace millrace::client
