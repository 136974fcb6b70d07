// PROXY headers: the answer may not change with more bytes, never claims more than there is, and
// what it says can be said again.
#include "net/proxy_protocol.hpp"

#include "fuzz/check.hpp"
#include "fuzz/pieces.hpp"

#include <string>

namespace {

using namespace millrace;
using fuzz::check;
using net::ProxyAddresses;
using net::ProxyHeader;
using State = net::ProxyHeader::State;

ProxyHeader parse(std::string_view bytes) {
  return net::parse_proxy_header(fuzz::Exact(bytes).view());
}

void check_prefix(std::string_view bytes, std::size_t n, const ProxyHeader& whole) {
  const ProxyHeader got = parse(bytes.substr(0, n));
  if (whole.state == State::kDone) {
    check(got.state == (n < whole.used ? State::kNeedMore : State::kDone), "settled too early");
    return;
  }
  check(got.state == State::kNeedMore || got.state == whole.state, "changed its mind");
}

std::string line_of(const ProxyAddresses& ends) {
  const bool v4 = ends.source.ip().is_v4();
  return std::string(v4 ? "PROXY TCP4 " : "PROXY TCP6 ") + ends.source.ip().to_string() + " " +
         ends.destination.ip().to_string() + " " + std::to_string(ends.source.port()) + " " +
         std::to_string(ends.destination.port()) + "\r\n";
}

void check_done(std::string_view bytes, const ProxyHeader& header) {
  check(header.used <= bytes.size() && header.used <= net::kProxyHeaderBytesMax, "size");
  const ProxyHeader alone = parse(bytes.substr(0, header.used));
  check(alone.state == State::kDone && alone.used == header.used, "needs what is behind it");
  check(alone.addresses == header.addresses, "reads what is behind it");
  if (!header.addresses) return;
  check(header.addresses->source.ip().family() == header.addresses->destination.ip().family(),
        "two families");
  const std::string line = line_of(*header.addresses);
  check(line.size() <= net::kProxyLineBytesMax, "a line that is too long");
  const ProxyHeader again = parse(line);
  check(again.state == State::kDone && again.used == line.size(), "cannot be said again");
  check(again.addresses == header.addresses, "says something else");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ProxyHeader whole = parse(bytes);
  if (size >= net::kProxyHeaderBytesMax)
    check(whole.state != State::kNeedMore, "wants more than the longest header");
  if (whole.state == State::kDone) check_done(bytes, whole);
  constexpr std::size_t kAllPrefixesMax = 300;
  const std::size_t step = size <= kAllPrefixesMax ? 1 : size / kAllPrefixesMax;
  for (std::size_t n = 0; n < size; n += step) check_prefix(bytes, n, whole);
  return 0;
}
