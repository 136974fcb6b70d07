// `image`: pictures in, pictures or facts about them out. The work runs on the CPU pool, admitted
// by the memory that it may take.
//
//   /grayscale[?method=luma|linear&quality=&format=]
//   /info

#include "endpoints/answer.hpp"
#include "endpoints/body_input.hpp"
#include "endpoints/endpoint.hpp"
#include "endpoints/parameters.hpp"
#include "endpoints/timed_work.hpp"
#include "image/grayscale.hpp"
#include "image/image_info.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace millrace::endpoints {
namespace {

using http::FieldId;
using http::Method;

constexpr std::string_view kLimitKey = "image.body_max";
/// Enough for every header; what is refused by its header is refused before more is taken in.
constexpr std::size_t kSniffBytes = 64 * 1024;

std::span<const std::byte> as_bytes(Bytes bytes) noexcept {
  return std::as_bytes(bytes);
}

void explain(Exchange& exchange, Error error, const image::ImageLimits& limits) {
  if (!exchange.detail.empty()) return;
  if (error.is(Errc::kMediaTooLarge))
    exchange.detail = "The image decodes to more than image.pixels_max (" +
                      std::to_string(limits.pixels_max) + ") pixels, or to too much memory.";
  else if (error.is(Errc::kUnsupportedMedia))
    exchange.detail = "The body is no image of a format that is supported here.";
  else if (error.is(Errc::kMalformedMedia))
    exchange.detail = "The image is damaged or cut off.";
  else if (error.is(Errc::kEmptyBody))
    exchange.detail = "The body is empty; send the image as it is (curl --data-binary @FILE).";
}

Result<image::ImageInfo> judge(std::span<const std::byte> file, const image::ImageLimits& limits,
                               bool for_pixels) {
  const Result<image::ImageInfo> info = image::image_info(file, limits);
  if (!info || !for_pixels) return info;
  if (const auto fits = image::check_limits(*info, limits); !fits) return fail(fits.error());
  return info;
}

std::string info_json(const image::ImageInfo& info) {
  std::string out = "{\"format\":\"";
  out.append(image::name(info.format)).append("\"");
  const auto number = [&out](std::string_view name, std::uint64_t value) {
    out.append(",\"").append(name).append("\":").append(std::to_string(value));
  };
  number("width", info.width);
  number("height", info.height);
  number("channels", info.channels);
  number("bits", info.bits);
  number("orientation", info.orientation);
  out.append(",\"progressive\":").append(info.progressive ? "true" : "false");
  number("frames", info.frames);
  number("bytes", info.bytes);
  return out + "}\n";
}

struct GrayParameters {
  image::GrayMethod method = image::GrayMethod::kLuma;
  std::optional<unsigned> quality;
  std::optional<image::Format> format;

  static Result<GrayParameters> parse(const Parameters& parameters);
};

Result<GrayParameters> GrayParameters::parse(const Parameters& parameters) {
  static constexpr std::array<std::string_view, 2> kMethods{"luma", "linear"};
  static constexpr std::array<std::string_view, 3> kFormats{"jpeg", "png", "jpg"};
  GrayParameters out;
  const auto method = parameters.choice("method", kMethods);
  if (!method) return fail(method.error());
  if (method->value_or(0) == 1) out.method = image::GrayMethod::kLinear;
  const auto format = parameters.choice("format", kFormats);
  if (!format) return fail(format.error());
  if (*format) out.format = **format == 1 ? image::Format::kPng : image::Format::kJpeg;
  if (parameters.has("quality")) {
    const auto quality = parameters.number("quality", 1, 100);
    if (!quality) return fail(quality.error());
    out.quality = static_cast<unsigned>(*quality);
  }
  return out;
}

class ImageEndpoint final : public Handler {
 public:
  explicit ImageEndpoint(const EndpointContext& context) : context_(context) {
    limits_.pixels_max = context.image_pixels_max;
  }

  Task<Result<void>> handle(Exchange& exchange) override {
    return dispatch(*this, kOperations, exchange);
  }

 private:
  /// An image that was taken in and looked at.
  struct Loaded {
    image::ImageBytes file;
    image::ImageInfo info;
    WorkTimes times;
  };

  Task<Result<void>> grayscale(Exchange& exchange);
  Task<Result<void>> info(Exchange& exchange);

  /// What is going to be done with it: looking at the header is allowed at any size.
  enum class Use : std::uint8_t { kInfo, kPixels };

  [[nodiscard]] Task<Result<void>> load(Exchange& exchange, const Parameters& parameters, Use use,
                                        Loaded& loaded);
  [[nodiscard]] Task<Result<void>> read_all(BodyInput& input, Use use, image::ImageBytes& file);

  static constexpr std::array<Operation<ImageEndpoint>, 2> kOperations{{
      {"/grayscale", {Method::kPost, Method::kPut, Method::kGet}, &ImageEndpoint::grayscale},
      {"/info", {Method::kPost, Method::kPut, Method::kGet}, &ImageEndpoint::info},
  }};

  const EndpointContext context_;
  image::ImageLimits limits_;
};

Task<Result<void>> ImageEndpoint::read_all(BodyInput& input, Use use, image::ImageBytes& file) {
  // What a client announces is only believed as far as the limit, which has been checked; pages
  // that are never written to cost nothing.
  if (input.length().is_known() && !file.make_room(input.length().bytes))
    co_return fail(Errc::kOutOfMemory);
  bool judged = false;
  for (;;) {
    const Result<Bytes> piece = co_await input.read();
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
    if (!file.append(as_bytes(*piece))) co_return fail(Errc::kOutOfMemory);
    if (judged || file.size() < kSniffBytes) continue;
    judged = true;
    // Here a damaged header may only be one that goes on.
    const auto verdict = judge(file.view().first(kSniffBytes), limits_, use == Use::kPixels);
    if (!verdict && !verdict.error().is(Errc::kMalformedMedia)) co_return fail(verdict.error());
  }
  if (file.empty()) co_return fail(Errc::kEmptyBody);
  co_return Result<void>{};
}

Task<Result<void>> ImageEndpoint::load(Exchange& exchange, const Parameters& parameters, Use use,
                                       Loaded& loaded) {
  const TimePoint began = Clock::now();
  BodyInput input(exchange, context_.inputs, {context_.image_body_bytes_max, kLimitKey});
  Result<void> outcome = co_await input.open(parameters);
  if (outcome) outcome = co_await read_all(input, use, loaded.file);
  co_await input.close();
  loaded.times.read = Clock::now() - began;
  if (!outcome) co_return outcome;
  const auto info = co_await run_timed(
      context_.offload, 0,
      [&](const CancelToken&) { return image::image_info(loaded.file.view(), limits_); },
      loaded.times);
  if (!info) co_return fail(info.error());
  loaded.info = *info;
  co_return Result<void>{};
}

Task<Result<void>> ImageEndpoint::info(Exchange& exchange) {
  const auto parameters = Parameters::parse(exchange);
  if (!parameters) co_return fail(parameters.error());
  Loaded loaded;
  if (const auto done = co_await load(exchange, *parameters, Use::kInfo, loaded); !done) {
    explain(exchange, done.error(), limits_);
    co_return done;
  }
  const std::string timing = loaded.times.server_timing(exchange.began());
  http::ResponseHead head;
  head.fields.add(FieldId::kContentType, kJson);
  head.fields.add(FieldId::kServerTiming, timing);
  exchange.respond(head, info_json(loaded.info));
  co_return Result<void>{};
}

Task<Result<void>> ImageEndpoint::grayscale(Exchange& exchange) {
  const auto parameters = Parameters::parse(exchange);
  if (!parameters) co_return fail(parameters.error());
  const auto gray = GrayParameters::parse(*parameters);
  if (!gray) co_return fail(gray.error());
  Loaded loaded;
  Result<void> outcome = co_await load(exchange, *parameters, Use::kPixels, loaded);
  if (outcome) outcome = image::check_limits(loaded.info, limits_);
  if (!outcome) {
    explain(exchange, outcome.error(), limits_);
    co_return outcome;
  }
  const auto made = co_await run_timed(
      context_.offload, image::estimate_bytes(loaded.info) + loaded.file.size(),
      [&](const CancelToken& stop) {
        return image::grayscale(loaded.file.view(), {.method = gray->method,
                                                     .quality = gray->quality,
                                                     .format = gray->format,
                                                     .limits = limits_,
                                                     .cancel = stop});
      },
      loaded.times);
  if (!made) {
    explain(exchange, made.error(), limits_);
    co_return fail(made.error());
  }
  const std::string timing = loaded.times.server_timing(exchange.began());
  http::ResponseHead head;
  head.fields.add(FieldId::kContentType, image::media_type(made->format));
  head.fields.add(FieldId::kServerTiming, timing);
  const auto bytes = made->bytes.view();
  co_return co_await exchange.send(
      head, Bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace

std::unique_ptr<Handler> make_image(const EndpointContext& context) {
  return std::make_unique<ImageEndpoint>(context);
}

}  // namespace millrace::endpoints
