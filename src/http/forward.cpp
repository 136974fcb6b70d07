#include "http/forward.hpp"

#include "http/ascii.hpp"

#include <string>

#include <boost/container/small_vector.hpp>

namespace millrace::http {
namespace {

using Nominations = boost::container::small_vector<std::string_view, 4>;

bool is_hop_by_hop(FieldId id) noexcept {
  switch (id) {
    case FieldId::kConnection:
    case FieldId::kContentLength:
    case FieldId::kHttp2Settings:
    case FieldId::kKeepAlive:
    case FieldId::kProxyAuthenticate:
    case FieldId::kProxyAuthenticationInfo:
    case FieldId::kProxyAuthorization:
    case FieldId::kProxyConnection:
    case FieldId::kTe:
    case FieldId::kTrailer:
    case FieldId::kTransferEncoding:
    case FieldId::kUpgrade:
      return true;
    default:
      return false;
  }
}

// What is generated for the next hop or answered by this one.
bool is_regenerated(FieldId id) noexcept {
  switch (id) {
    case FieldId::kExpect:
    case FieldId::kForwarded:
    case FieldId::kHost:
    case FieldId::kXForwardedFor:
    case FieldId::kXForwardedHost:
    case FieldId::kXForwardedProto:
    case FieldId::kXQueueTime:
    case FieldId::kXRequestDeadline:
      return true;
    default:
      return false;
  }
}

bool is_claim_about_client(std::string_view name) noexcept {
  return istarts_with(name, "x-forwarded-") || iequals(name, "x-real-ip");
}

constexpr std::string_view kClientSubject = "X-Forwarded-Client-Subject";

void add_client_subject(const Fields& from, const Hop& hop, Fields& to) {
  if (hop.client_subject.empty()) return;
  for (const Field& field : from)
    if (hop.trusted && iequals(field.name, kClientSubject)) return;
  to.add_copy(kClientSubject, hop.client_subject);
}

constexpr std::string_view kPrefix = "X-Forwarded-Prefix";

void add_prefix(const Fields& from, const Hop& hop, Fields& to) {
  if (hop.prefix.empty()) return;
  std::string prefix;
  for (const Field& before : from) {
    if (!hop.trusted || !iequals(before.name, kPrefix)) continue;
    prefix += before.value;
    if (prefix.ends_with('/')) prefix.pop_back();
  }
  to.add_copy(kPrefix, prefix.append(hop.prefix));
}

bool may_be_nominated(std::string_view name) noexcept {
  return field_id(name) == FieldId::kOther && !is_claim_about_client(name) &&
         !istarts_with(name, "content-") && !istarts_with(name, "sec-");
}

// The gate bounds their number (HeadLimits::fields_max).
Nominations nominations(const Fields& fields) {
  Nominations names;
  for (const Field& field : fields) {
    if (field.id != FieldId::kConnection) continue;
    for_each_element(field.value, [&names](std::string_view name) {
      if (!iequals(name, "close") && may_be_nominated(name)) names.push_back(name);
      return true;
    });
  }
  return names;
}

bool is_nominated(std::string_view name, const Nominations& names) noexcept {
  for (const std::string_view one : names)
    if (iequals(one, name)) return true;
  return false;
}

// Every value of `id` as one list, with `last` behind them.
std::string joined(const Fields& from, FieldId id, std::string_view last) {
  std::string list;
  for (const Field& field : from) {
    if (field.id != id || field.value.empty()) continue;
    if (!list.empty()) list += ", ";
    list += field.value;
  }
  if (!list.empty() && !last.empty()) list += ", ";
  list += last;
  return list;
}

// RFC 7239: a token as it is, everything else quoted. Neither an address nor an authority that has
// passed the gate holds anything that needs an escape.
std::string_view forwarded_element(const Hop& hop, TextArena& arena) {
  const bool v6 = hop.peer.find(':') != std::string_view::npos;
  const bool plain = hop.authority.empty() || is_token(hop.authority);
  const std::string_view quote = plain ? "" : "\"";
  return arena.join({"for=", v6 ? "\"[" : "", hop.peer.empty() ? "unknown" : hop.peer,
                     v6 ? "]\"" : "", hop.authority.empty() ? "" : ";host=", quote, hop.authority,
                     quote, hop.https ? ";proto=https" : ";proto=http"});
}

void add_forwarded(const Fields& from, const Hop& hop, Fields& to) {
  const std::string_view proto = hop.https ? "https" : "http";
  if (!hop.trusted) {
    if (!hop.peer.empty()) to.add_copy(FieldId::kXForwardedFor, hop.peer);
    to.add(FieldId::kXForwardedProto, proto);
    if (!hop.authority.empty()) to.add_copy(FieldId::kXForwardedHost, hop.authority);
    to.add(FieldId::kForwarded, forwarded_element(hop, to.arena()));
    return;
  }
  const std::string addresses = joined(from, FieldId::kXForwardedFor, hop.peer);
  if (!addresses.empty()) to.add_copy(FieldId::kXForwardedFor, addresses);
  to.add(FieldId::kXForwardedProto, from.value_or(FieldId::kXForwardedProto, proto));
  const std::string_view host = from.value_or(FieldId::kXForwardedHost, hop.authority);
  if (!host.empty()) to.add_copy(FieldId::kXForwardedHost, host);
  to.add_copy(FieldId::kForwarded,
              joined(from, FieldId::kForwarded, forwarded_element(hop, to.arena())));
}

}  // namespace

void forward_request(const Fields& from, const Hop& hop, Fields& to) {
  const Nominations nominated = nominations(from);
  bool takes_trailers = false;
  for (const Field& field : from) {
    if (field.id == FieldId::kTe) takes_trailers |= list_has_token(field.value, "trailers");
    if (is_hop_by_hop(field.id) || is_regenerated(field.id)) continue;
    if (field.id == FieldId::kOther) {
      if (iequals(field.name, "proxy") || is_nominated(field.name, nominated)) continue;
      if (!hop.trusted && is_claim_about_client(field.name)) continue;
      if (!hop.prefix.empty() && iequals(field.name, kPrefix)) continue;
    }
    to.add(field);
  }
  if (takes_trailers) to.add(FieldId::kTe, "trailers");
  add_forwarded(from, hop, to);
  add_client_subject(from, hop, to);
  add_prefix(from, hop, to);
}

void forward_egress(const Fields& from, Fields& to) {
  const Nominations nominated = nominations(from);
  bool takes_trailers = false;
  for (const Field& field : from) {
    if (field.id == FieldId::kTe) takes_trailers |= list_has_token(field.value, "trailers");
    if (is_hop_by_hop(field.id) || field.id == FieldId::kHost || field.id == FieldId::kExpect)
      continue;
    if (istarts_with(field.name, "proxy-") || iequals(field.name, "proxy")) continue;
    if (field.id == FieldId::kOther && is_nominated(field.name, nominated)) continue;
    to.add(field);
  }
  if (takes_trailers) to.add(FieldId::kTe, "trailers");
}

void forward_response(const Fields& from, Fields& to) {
  const Nominations nominated = nominations(from);
  for (const Field& field : from) {
    if (is_hop_by_hop(field.id)) continue;
    if (field.id == FieldId::kOther && is_nominated(field.name, nominated)) continue;
    to.add(field);
  }
}

void add_via(Version received, std::string_view pseudonym, Fields& to) {
  std::string_view version;
  switch (received) {
    case Version::kHttp10:
      version = "1.0 ";
      break;
    case Version::kHttp11:
      version = "1.1 ";
      break;
    case Version::kHttp2:
      version = "2.0 ";
      break;
  }
  to.add(FieldId::kVia, to.arena().join({version, pseudonym}));
}

}  // namespace millrace::http
