// The limits of an HTTP/2 connection that HTTP/1 has no word for: one place, one reason each.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace millrace::h2 {

/// SETTINGS_MAX_CONCURRENT_STREAMS. What browsers use at most, and RFC 9113 section 6.5.2 advises
/// no less.
inline constexpr std::uint32_t kStreamsMax = 100;
/// Streams whose handler still runs, those that the client has reset included.
inline constexpr std::size_t kLiveStreamsMax = 2 * kStreamsMax;
/// How much of one body may be on its way before its reader has taken any: a fast upload at 20 ms.
inline constexpr std::int32_t kStreamWindowBytes = 256 * 1024;
/// The same for all bodies of a connection: what unread bodies can cost us.
inline constexpr std::int32_t kConnectionWindowBytes = 1024 * 1024;
/// How much of one answer of an upstream may be on its way before its reader has taken any: 20 MB/s
/// at 50 ms.
inline constexpr std::int32_t kAnswerWindowBytes = 1024 * 1024;
/// The same for all answers on a connection. Given back at once: a slow reader costs its own
/// stream's window, not the others'.
inline constexpr std::int32_t kAnswersWindowBytes = 16 * 1024 * 1024;
/// A piece of an answer up to here is copied, so that its writer need not wait.
inline constexpr std::size_t kGatherBytes = 16 * 1024;
/// Answers that lie in memory because their client does not take them: over that, no handler is
/// begun until some have gone out.
inline constexpr std::size_t kHeldBytesMax = 256 * 1024;
/// Decoded heads of open streams: over that, new ones are refused. Where handlers wait because a
/// client does not take its answers, there is less patience.
inline constexpr std::size_t kHeadBytesMax = 2 * 1024 * 1024;
inline constexpr std::size_t kHeadBytesWaitingMax = 256 * 1024;
/// Frames are gathered up to here, then written.
inline constexpr std::size_t kBatchBytes = 64 * 1024;
/// Fields over the limit of a head are decoded, since HPACK needs it, and thrown away: so many,
/// then the connection ends.
inline constexpr std::size_t kIgnoredFieldsMax = 400;
/// A client with a closed window must take so much of an answer within the write stall timeout:
/// windows opened byte by byte are a way not to read.
inline constexpr std::size_t kProgressBytes = 4 * 1024;
/// A head that we send, encoded: whatever limits.head lets an upstream say, and our own fields.
inline constexpr std::size_t kSentHeadBytesMax = 16 * 1024 * 1024;
/// After the notice of a drain, requests under way get so long to arrive (RFC 9113 section 6.8), or
/// until a PING has made the round trip.
inline constexpr auto kDrainNotice = std::chrono::seconds(1);

}  // namespace millrace::h2
