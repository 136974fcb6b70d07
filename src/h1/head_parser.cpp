#include "h1/head_parser.hpp"

#include "http/ascii.hpp"

#include <algorithm>
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

/// What both roles share: collecting fields as views. Body callbacks never come, since only heads
/// are put.
template <bool IsRequest>
class HeadParser : public beast::http::basic_parser<IsRequest> {
 public:
  explicit HeadParser(http::Fields& fields) : fields_(fields) {
    // The scanner has judged the size already.
    this->header_limit(std::numeric_limits<std::uint32_t>::max());
    this->body_limit(boost::none);
  }

 protected:
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

 private:
  http::Fields& fields_;
};

class RequestParser final : public HeadParser<true> {
 public:
  RequestParser(http::RawRequest& raw, http::Fields& fields) : HeadParser(fields), raw_(raw) {}
  int version = 0;

 private:
  void on_request_impl(beast::http::verb, string_view method, string_view target, int v,
                       error_code&) override {
    raw_.method_text = to_std(method);
    raw_.target = to_std(target);
    version = v;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  http::RawRequest& raw_;
};

class ResponseParser final : public HeadParser<false> {
 public:
  ResponseParser(RawResponse& raw, http::Fields& fields) : HeadParser(fields), raw_(raw) {}
  int version = 0;

 private:
  void on_request_impl(beast::http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int status, string_view, int v, error_code&) override {
    raw_.status = status;
    version = v;
  }
  RawResponse& raw_;
};

/// A head is one contiguous piece, so one put reads it all; framing errors are the gate's to name.
template <class Parser>
error_code put_head(Parser& parser, std::string_view head) {
  error_code ec;
  parser.put(boost::asio::buffer(head.data(), head.size()), ec);
  if (ec == beast::http::error::need_more) return {};
  return ec;
}

/// Beast calls both "HTTP/3.0" and "HTTP/1.x" a bad version. Only the first is one.
bool names_a_version(std::string_view head) {
  constexpr std::string_view kForm = " HTTP/1.1";
  const std::string_view line = head.substr(0, head.find('\r'));
  if (line.size() < kForm.size() || std::ranges::count(line, ' ') != 2) return false;
  const std::string_view version = line.substr(line.size() - kForm.size());
  return version.starts_with(" HTTP/") && http::is(version[6], http::kDigit) && version[7] == '.' &&
         http::is(version[8], http::kDigit);
}

Errc request_errc(const error_code& ec, std::string_view head) {
  using E = beast::http::error;
  if (ec == E::bad_version && names_a_version(head)) return Errc::kBadVersion;
  if (ec == E::bad_method) return Errc::kBadMethod;
  if (ec == E::bad_target) return Errc::kBadTarget;
  if (ec == E::bad_content_length || ec == E::multiple_content_length)
    return Errc::kBadContentLength;
  if (ec == E::bad_transfer_encoding) return Errc::kBadTransferEncoding;
  if (ec == E::bad_field || ec == E::bad_value || ec == E::bad_obs_fold) return Errc::kBadField;
  return Errc::kBadRequestLine;
}

}  // namespace

Result<void> parse_request(std::string_view head, http::RawRequest& raw, http::Fields& fields) {
  RequestParser parser(raw, fields);
  if (const error_code ec = put_head(parser, head)) return fail(request_errc(ec, head));
  if (!parser.is_header_done()) return fail(Errc::kBadRequestLine);
  const auto version = http::version_of(parser.version);
  if (!version) return fail(version.error());
  raw.version = *version;
  return {};
}

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
