#include "proxy/upstream.hpp"

namespace millrace::proxy {
namespace {

// host[:port], the port only where it is not the scheme's own (RFC 9110 section 4.2.3).
std::string authority_of(const client::OriginSpec& spec) {
  if (!spec.unix_path.empty()) return "localhost";
  const bool v6 = spec.host.find(':') != std::string::npos;
  std::string out = v6 ? "[" + spec.host + "]" : spec.host;
  if (spec.port != (spec.tls ? 443 : 80)) out += ":" + std::to_string(spec.port);
  return out;
}

}  // namespace

Upstream::Upstream(client::Client& client, Options options, unsigned seed)
    : client_(client),
      options_(std::move(options)),
      balancer_(make_balancer(options_.balance, seed)) {}

std::expected<std::unique_ptr<Upstream>, std::string> Upstream::make(client::Client& client,
                                                                     Options options,
                                                                     unsigned seed) {
  std::unique_ptr<Upstream> upstream(new Upstream(client, std::move(options), seed));
  const Options& chosen = upstream->options_;
  if (upstream->balancer_ == nullptr) return std::unexpected("no such balancer: " + chosen.balance);
  for (const client::OriginSpec& spec : chosen.targets) {
    auto origin = client.origin(spec);
    if (!origin) return std::unexpected(origin.error());
    (*origin)->limit_idle(chosen.idle_max, chosen.idle_age_max);
    upstream->targets_.push_back({std::move(*origin), authority_of(spec)});
    upstream->states_.emplace_back();
  }
  return upstream;
}

std::string_view Upstream::host_for(std::size_t target, std::string_view authority) const noexcept {
  switch (options_.host) {
    case HostPolicy::kName:
      return options_.host_name;
    case HostPolicy::kPreserve:
      if (!authority.empty()) return authority;
      break;
    case HostPolicy::kTarget:
      break;
  }
  return targets_[target].authority;
}

}  // namespace millrace::proxy
