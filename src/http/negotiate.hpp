// Content negotiation: weighted lists (RFC 9110 sections 12.4.2, 12.5.1 and 12.5.3).
//
// Weights are thousandths: q=0.8 is 800. An element that is malformed is left out. Parameters other
// than the weight are ignored: `text/html;level=1` is `text/html`.
//
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace millrace::http {

inline constexpr int kWeightMax = 1000;

/// How much the client wants `type` ("text/html"), by the most specific range of Accept that covers
/// it: 0: not at all. An Accept without a single element says nothing against anything: kWeightMax.
[[nodiscard]] int media_weight(std::string_view accept, std::string_view type) noexcept;

/// The index of the offer that the client wants most, the first of equals; nullopt: it takes none.
[[nodiscard]] std::optional<std::size_t> best_of(
    std::string_view accept, std::span<const std::string_view> offered) noexcept;

/// How much the client wants `coding` by its Accept-Encoding. `identity` is wanted with weight 1
/// unless it is named or excluded, every other coding only if it or `*` is named. `x-gzip` is
/// `gzip`.
[[nodiscard]] int encoding_weight(std::string_view accept_encoding,
                                  std::string_view coding) noexcept;
[[nodiscard]] bool accepts_encoding(std::string_view accept_encoding,
                                    std::string_view coding) noexcept;

/// The index of the coding in `offered` that the client wants most, the first of equals; nullopt:
/// send it as it is.
[[nodiscard]] std::optional<std::size_t> best_encoding(
    std::string_view accept_encoding, std::span<const std::string_view> offered) noexcept;

}  // namespace millrace::http
