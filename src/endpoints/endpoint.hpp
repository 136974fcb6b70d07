// The endpoints of this build: what each needs, and the table that makes them.
//
// An endpoint is a Handler: thin, it reads parameters, calls image, compute or client, and writes
// the answer. Each sees the path below the route's fixed part. Adding one is a file that defines
// make_NAME() and a word in the list of meson.build, from which the table is generated.
//
// Thread rule: one instance per io thread.
#pragma once

#include "endpoints/batch_limits.hpp"
#include "millrace/exchange.hpp"
#include "millrace/input.hpp"
#include "runtime/offload.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace millrace::client {
class UrlFetcher;
}

namespace millrace::endpoints {

/// What endpoints need. Outlives them.
struct EndpointContext {
  Offload& offload;
  /// For `?url=`; null: those requests are refused.
  InputFetcher* inputs = nullptr;
  /// For the fetch endpoint; null: there is none.
  client::UrlFetcher* fetcher = nullptr;

  // Limits of the configuration, under the keys of the same name.
  std::uint64_t image_body_bytes_max = std::uint64_t{64} << 20;
  std::uint64_t image_pixels_max = 64'000'000;
  std::uint64_t compute_body_bytes_max = std::uint64_t{16} << 30;
  BatchLimits batch;
};

struct EndpointEntry {
  std::string_view name;  ///< as in `endpoint = "name"`
  /// Null where the context lacks what it needs.
  std::unique_ptr<Handler> (*make)(const EndpointContext& context);
};

[[nodiscard]] std::span<const EndpointEntry> endpoint_table() noexcept;

/// Null for a name that is not in the table, too.
[[nodiscard]] std::unique_ptr<Handler> make_endpoint(std::string_view name,
                                                     const EndpointContext& context);

}  // namespace millrace::endpoints
