#include "http/gate.hpp"

#include "http/ascii.hpp"
#include "http/byte_scan.hpp"
#include "http/connection.hpp"
#include "http/target.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace millrace::http {
namespace {

constexpr std::uint64_t kLengthMax = std::numeric_limits<std::int64_t>::max();

// A field that may stand once: its first value, and how often it was there.
struct Single {
  std::string_view value;
  unsigned count = 0;

  void see(std::string_view text) noexcept {
    if (count++ == 0) value = text;
  }
};

// What one walk over the fields found for the judgements after it.
struct Survey {
  Single host;
  Single content_length;
  Single transfer_encoding;
  bool expects_continue = false;
  bool expects_other = false;
  bool connection = false;
  Single upgrade;
};

bool is_valid_name(const Field& field) noexcept {
  return field.id != FieldId::kOther || is_token(field.name);
}

// Is `name` one of ours, spelled with underscores?
bool is_underscore_alias(std::string_view name) noexcept {
  if (name.find('_') == std::string_view::npos) return false;
  std::array<char, 32> dashed;
  if (name.size() > dashed.size()) return false;
  std::ranges::replace_copy(name, dashed.begin(), '_', '-');
  const std::string_view meant(dashed.data(), name.size());
  return field_id(meant) != FieldId::kOther || istarts_with(meant, "x-forwarded-") ||
         iequals(meant, "x-real-ip");
}

bool is_lower_case(std::string_view name) noexcept {
  return std::ranges::none_of(name, [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool has_space_around(std::string_view value) noexcept {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  return !value.empty() && (is_space(value.front()) || is_space(value.back()));
}

void note(const Field& field, Survey& survey) noexcept {
  switch (field.id) {
    case FieldId::kHost:
      survey.host.see(field.value);
      break;
    case FieldId::kContentLength:
      survey.content_length.see(field.value);
      break;
    case FieldId::kTransferEncoding:
      survey.transfer_encoding.see(field.value);
      break;
    case FieldId::kConnection:
      survey.connection = true;
      break;
    case FieldId::kUpgrade:
      survey.upgrade.see(field.value);
      break;
    case FieldId::kExpect:
      (iequals(field.value, "100-continue") ? survey.expects_continue : survey.expects_other) =
          true;
      break;
    default:
      break;
  }
}

Result<Survey> survey_request(const Fields& fields, Version version, bool scanned,
                              const HeadLimits& limits) {
  if (fields.size() > limits.fields_max) return fail(Errc::kTooManyFields);
  const bool http2 = version == Version::kHttp2;
  const std::size_t overhead =
      http2 ? 32 : 0;  // RFC 9113 section 6.5.2; h1 heads were scanned whole
  Survey survey;
  std::size_t bytes = 0;
  for (const Field& field : fields) {
    bytes += field.name.size() + field.value.size() + overhead;
    if (!is_valid_name(field) || (!scanned && has_control(field.value)))
      return fail(Errc::kBadField);
    if (field.id == FieldId::kOther && is_underscore_alias(field.name))
      return fail(Errc::kBadField);
    if (http2 && !is_allowed_in_http2(field)) return fail(Errc::kBadField);
    note(field, survey);
  }
  if (bytes > limits.head_bytes_max) return fail(Errc::kHeadTooLarge);
  return survey;
}

std::optional<std::uint64_t> parse_length(std::string_view text) noexcept {
  const std::optional<std::uint64_t> length = parse_decimal(text);
  return length && *length <= kLengthMax ? length : std::nullopt;
}

// The table of gate.hpp, row by row.
Result<void> judge_coding(std::string_view value) noexcept {
  if (iequals(value, "chunked")) return {};
  unsigned chunked = 0;
  bool chunked_last = false;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = value.find(',');
    const std::string_view coding = trim_ows(value.substr(0, comma));
    if (!is_token(coding)) return fail(Errc::kBadTransferEncoding);
    chunked_last = iequals(coding, "chunked");
    if (chunked_last) ++chunked;
    if (comma != std::string_view::npos) value.remove_prefix(comma + 1);
  }
  if (!chunked_last || chunked != 1) return fail(Errc::kBadTransferEncoding);
  return fail(Errc::kUnknownTransferCoding);
}

Result<BodyLength> judge_framing(const Survey& survey, Version version) noexcept {
  if (survey.transfer_encoding.count != 0) {
    if (survey.content_length.count != 0) return fail(Errc::kBadContentLength);
    if (version != Version::kHttp11 || survey.transfer_encoding.count != 1)
      return fail(Errc::kBadTransferEncoding);
    if (const auto coding = judge_coding(survey.transfer_encoding.value); !coding)
      return fail(coding.error());
    return BodyLength::unknown();
  }
  if (survey.content_length.count == 0) return BodyLength::none();
  const std::optional<std::uint64_t> length = parse_length(survey.content_length.value);
  if (!length || survey.content_length.count != 1) return fail(Errc::kBadContentLength);
  return BodyLength::known(*length);
}

Result<BodyLength> judge_http2_length(const RawRequest& raw, const Survey& survey) noexcept {
  const Result<BodyLength> declared = judge_framing(survey, raw.version);
  if (!declared) return declared;
  if (declared->is_none()) return raw.end_stream ? BodyLength::none() : BodyLength::unknown();
  if (raw.end_stream && declared->bytes != 0) return fail(Errc::kBadContentLength);
  return declared;
}

Result<void> judge_method(std::string_view text, RequestHead& head) noexcept {
  head.method_text = text;
  head.method = parse_method(text);
  if (head.method != Method::kOther) return {};
  if (!is_token(text)) return fail(Errc::kBadMethod);
  if (text.size() > kMethodBytesMax) return fail(Errc::kMethodUnknown);
  return {};
}

// The target, but for an authority that has to come from Host.
Result<void> judge_target(const RawRequest& raw, const HeadLimits& limits, RequestHead& head) {
  if (raw.target.size() > limits.target_bytes_max) return fail(Errc::kTargetTooLong);
  const bool http2 = raw.version == Version::kHttp2;
  const bool connect = head.method == Method::kConnect && raw.protocol.empty();
  if (http2 && connect && !raw.target.empty()) return fail(Errc::kBadTarget);
  const Result<Target> target = parse_target(raw.protocol.empty() ? head.method : Method::kGet,
                                             http2 && connect ? raw.authority : raw.target);
  if (!target) return fail(target.error());
  if (http2 && target->form == TargetForm::kAbsolute) return fail(Errc::kBadTarget);
  const Result<std::string_view> path = normalise_path(target->path, head.fields.arena());
  if (!path) return fail(path.error());
  head.target = http2 && connect ? raw.authority : raw.target;
  head.form = target->form;
  head.authority = http2 ? raw.authority : target->authority;
  head.path = *path;
  head.query = target->query;
  head.has_query = target->has_query;
  return {};
}

Result<void> judge_host(const Survey& survey, Version version, RequestHead& head) noexcept {
  const unsigned count = survey.host.count;
  if (count > 1 || (count == 0 && version == Version::kHttp11)) return fail(Errc::kBadHost);
  if (count == 1 && !is_authority(survey.host.value)) return fail(Errc::kBadHost);
  if (version == Version::kHttp2) {
    if (head.authority.empty() && count == 0) return fail(Errc::kBadHost);
    if (!head.authority.empty() && !is_authority(head.authority)) return fail(Errc::kBadHost);
    if (!head.authority.empty() && count == 1 && !iequals(head.authority, survey.host.value))
      return fail(Errc::kBadHost);
  }
  if (head.authority.empty()) head.authority = survey.host.value;
  return {};
}

bool is_tunnel_protocol(std::string_view name) noexcept {
  const std::size_t slash = std::min(name.find('/'), name.size());
  const std::string_view protocol = name.substr(0, slash);
  if (!is_token(protocol)) return false;
  if (slash != name.size() && !is_token(name.substr(slash + 1))) return false;
  return !iequals(protocol, "h2c") && !iequals(protocol, "h2") && !iequals(protocol, "http") &&
         !iequals(protocol, "tls");
}

bool wants_upgrade(const Survey& survey, const ConnectionOptions& options,
                   const RequestHead& head) noexcept {
  if (!options.upgrade || survey.upgrade.count != 1 || head.version != Version::kHttp11)
    return false;
  if (!head.body.is_none() && !(head.body.is_known() && head.body.bytes == 0)) return false;
  if (!is_tunnel_protocol(survey.upgrade.value)) return false;
  return head.method == Method::kGet || !iequals(survey.upgrade.value, "websocket");
}

// For a head whose framing, target and fields are in order.
Result<RequestVerdict> judge_wishes(const Survey& survey, RequestHead& head,
                                    const HeadLimits& limits) noexcept {
  if (survey.expects_other) return fail(Errc::kExpectationFailed);
  RequestVerdict verdict;
  const bool has_content = !head.body.is_none() && !(head.body.is_known() && head.body.bytes == 0);
  verdict.expect_continue =
      survey.expects_continue && has_content && head.version != Version::kHttp10;
  const ConnectionOptions options =
      survey.connection ? connection_options(head.fields) : ConnectionOptions{};
  if (options.count > limits.fields_max) return fail(Errc::kBadField);
  verdict.keep_alive = persists(head.version, options);
  if (wants_upgrade(survey, options, head)) head.upgrade = survey.upgrade.value;
  return verdict;
}

// Every length that is said, list elements and repeated fields, must be the same one.
bool add_lengths(std::string_view list, std::optional<std::uint64_t>& length) noexcept {
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = list.find(',');
    const std::optional<std::uint64_t> one = parse_length(trim_ows(list.substr(0, comma)));
    if (!one || (length && *length != *one)) return false;
    length = one;
    if (comma != std::string_view::npos) list.remove_prefix(comma + 1);
  }
  return true;
}

// What the framing fields of a response come to.
class ResponseFraming {
 public:
  void see(const Field& field) noexcept {
    if (field.id == FieldId::kTransferEncoding) coding_.see(field.value);
    if (field.id == FieldId::kContentLength) consistent_ &= add_lengths(field.value, length_);
  }

  [[nodiscard]] Result<BodyLength> length(Version version) const noexcept {
    if (!consistent_) return fail(Errc::kUpstreamBadMessage);
    if (coding_.count == 0)
      return length_ ? BodyLength::known(*length_) : BodyLength::until_close();
    if (length_ || coding_.count != 1 || version != Version::kHttp11 ||
        !iequals(coding_.value, "chunked"))
      return fail(Errc::kUpstreamBadMessage);
    return BodyLength::unknown();
  }

 private:
  Single coding_;
  std::optional<std::uint64_t> length_;
  bool consistent_ = true;
};

bool has_body(int status, Method request_method) noexcept {
  if (status_forbids_body(status) || request_method == Method::kHead) return false;
  return request_method != Method::kConnect || status >= 300;
}

}  // namespace

bool is_valid_field(const Field& field) noexcept {
  return is_valid_name(field) && !has_control(field.value);
}

bool is_allowed_in_http2(const Field& field) noexcept {
  switch (field.id) {
    case FieldId::kConnection:
    case FieldId::kKeepAlive:
    case FieldId::kProxyConnection:
    case FieldId::kTransferEncoding:
    case FieldId::kUpgrade:
      return false;
    case FieldId::kTe:
      if (!iequals(field.value, "trailers")) return false;
      break;
    default:
      break;
  }
  return is_lower_case(field.name) && !has_space_around(field.value);
}

bool is_allowed_trailer(const Field& field) noexcept {
  switch (field.id) {
    case FieldId::kETag:
    case FieldId::kServerTiming:
      return true;
    case FieldId::kOther:
      return !istarts_with(field.name, "x-forwarded-") && !iequals(field.name, "x-real-ip") &&
             !istarts_with(field.name, "content-") && !is_underscore_alias(field.name);
    default:
      return false;  // framing, routing, authentication, content and control: all named by us
  }
}

Result<Version> version_of(int major_times_ten_plus_minor) noexcept {
  switch (major_times_ten_plus_minor) {
    case 10:
      return Version::kHttp10;
    case 11:
      return Version::kHttp11;
    default:
      return fail(Errc::kBadVersion);
  }
}

Result<RequestVerdict> judge_request(const RawRequest& raw, RequestHead& head,
                                     const HeadLimits& limits) {
  head.version = raw.version;
  head.https = raw.https;
  if (const auto method = judge_method(raw.method_text, head); !method) return fail(method.error());
  if (const auto target = judge_target(raw, limits, head); !target) return fail(target.error());

  const Result<Survey> survey = survey_request(head.fields, raw.version, raw.scanned, limits);
  if (!survey) return fail(survey.error());
  const Result<BodyLength> length = raw.version == Version::kHttp2
                                        ? judge_http2_length(raw, *survey)
                                        : judge_framing(*survey, raw.version);
  if (!length) return fail(length.error());
  head.body = *length;
  if (!raw.protocol.empty()) {
    if (head.method != Method::kConnect || !is_tunnel_protocol(raw.protocol))
      return fail(Errc::kBadMethod);
    head.method = Method::kGet;
    head.method_text = "GET";
    head.upgrade = raw.protocol;
    head.body = BodyLength::none();
  }
  if (const auto host = judge_host(*survey, raw.version, head); !host) return fail(host.error());
  return judge_wishes(*survey, head, limits);
}

Result<BodyLength> declared_length(Version version, const Fields& fields) noexcept {
  ResponseFraming framing;
  for (const Field& field : fields) framing.see(field);
  return framing.length(version);
}

Result<BodyLength> judge_response(int status, Method request_method, Version version,
                                  const Fields& fields, const HeadLimits& limits,
                                  bool scanned) noexcept {
  if (status < 100 || status > 999) return fail(Errc::kUpstreamBadMessage);
  if (fields.size() > limits.fields_max) return fail(Errc::kUpstreamHeadTooLarge);
  ResponseFraming framing;
  std::size_t connection_bytes = 0;
  for (const Field& field : fields) {
    if (!is_valid_name(field) || (!scanned && has_control(field.value)))
      return fail(Errc::kUpstreamBadMessage);
    if (field.id == FieldId::kConnection) connection_bytes += field.value.size() + 1;
    framing.see(field);
  }
  // Where there are fewer bytes, there are not so many options.
  if (connection_bytes > limits.fields_max && connection_options(fields).count > limits.fields_max)
    return fail(Errc::kUpstreamBadMessage);
  const Result<BodyLength> length = framing.length(version);
  if (!length) return length;
  return has_body(status, request_method) ? *length : BodyLength::none();
}

}  // namespace millrace::http
