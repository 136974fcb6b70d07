#include "h1/head_parser.hpp"

#include "http/gate.hpp"

#include <limits>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace millrace::h1 {
namespace {

namespace beast = boost::beast;
using beast::string_view;
using boost::system::error_code;

std::string_view to_std(string_view text) {
  return {text.data(), text.size()};
}

/// Collects fields as views. Body callbacks never come, since only heads are put.
class ResponseParser final : public beast::http::basic_parser<false> {
 public:
  ResponseParser(RawResponse& raw, http::Fields& fields) : raw_(raw), fields_(fields) {
    // The scanner has judged the size already.
    header_limit(std::numeric_limits<std::uint32_t>::max());
    body_limit(boost::none);
  }
  int version = 0;

 private:
  void on_field_impl(beast::http::field, string_view name, string_view value,
                     error_code&) override {
    fields_.add(to_std(name), to_std(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    return body.size();
  }
  void on_finish_impl(error_code&) override {}
  void on_request_impl(beast::http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int status, string_view, int v, error_code&) override {
    raw_.status = status;
    version = v;
  }
  RawResponse& raw_;
  http::Fields& fields_;
};

/// A head is one contiguous piece, so one put reads it all; framing errors are the gate's to name.
error_code put_head(ResponseParser& parser, std::string_view head) {
  error_code ec;
  parser.put(boost::asio::buffer(head.data(), head.size()), ec);
  if (ec == beast::http::error::need_more) return {};
  return ec;
}

}  // namespace

Result<void> parse_response(std::string_view head, RawResponse& raw, http::Fields& fields) {
  ResponseParser parser(raw, fields);
  if (put_head(parser, head)) return fail(Errc::kUpstreamBadMessage);
  if (!parser.is_header_done()) return fail(Errc::kUpstreamBadMessage);
  // Beast takes any three digits: "020" would go on as an interim answer that nobody understands.
  if (raw.status < 100) return fail(Errc::kUpstreamBadMessage);
  const auto version = http::version_of(parser.version);
  if (!version) return fail(Errc::kUpstreamBadMessage);
  raw.version = *version;
  return {};
}

}  // namespace millrace::h1
