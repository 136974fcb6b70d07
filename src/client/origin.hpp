// Where requests go: everything that makes two connections different, and the idle connections to
// it.
//
// Ownership: counted by its connections and by whoever sends to it (OriginPtr, not atomic); when
// the last one lets go the client forgets it. Thread rule: one io thread.
#pragma once

#include "net/address.hpp"
#include "net/tls_context.hpp"
#include "runtime/deadline_wheel.hpp"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

namespace millrace::client {

class Client;
class Connection;

struct OriginSpec {
  bool tls = false;
  /// Host name or IP literal without brackets; empty with unix_path.
  std::string host;
  std::uint16_t port = 80;
  std::string unix_path;
  /// The name that the certificate must be for and that SNI says; empty: `host`.
  std::string tls_name;
  net::TlsClient::Options tls_options;
  /// A client chose this address: the address guard judges it before it is dialled.
  bool guarded = false;

  friend std::strong_ordering operator<=>(const OriginSpec&, const OriginSpec&) = default;
};

/// What a connection pool lists connections by.
using IdleHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<struct IdleTag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
using OldestHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<struct OldestTag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class Origin {
 public:
  Origin(const Origin&) = delete;
  Origin& operator=(const Origin&) = delete;
  ~Origin();

  [[nodiscard]] const OriginSpec& spec() const noexcept { return spec_; }
  /// "host:port" or "unix:/path": for logs.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// The one address, where no name has to be resolved.
  [[nodiscard]] const std::optional<net::SocketAddress>& fixed_address() const noexcept {
    return fixed_address_;
  }
  /// nullptr: plain.
  [[nodiscard]] net::TlsClient* tls() const noexcept { return tls_; }
  [[nodiscard]] Client& client() const noexcept { return client_; }
  /// Idle connections to this origin: how many are kept at most, and for how long, whatever else
  /// would allow more. Whoever sets it last is right for all who share the origin.
  void limit_idle(std::size_t count_max, Duration age_max) noexcept {
    idle_count_max_ = count_max;
    idle_age_max_ = age_max;
  }

 private:
  friend Client;
  friend class Pool;
  friend void intrusive_ptr_add_ref(Origin* origin) noexcept { ++origin->uses_; }
  friend void intrusive_ptr_release(Origin* origin) noexcept;

  Origin(Client& client, OriginSpec spec, net::TlsClient* tls);

  Client& client_;
  const OriginSpec spec_;
  const std::string name_;
  const std::optional<net::SocketAddress> fixed_address_;
  net::TlsClient* const tls_;
  std::size_t uses_ = 0;
  std::size_t idle_count_ = 0;
  std::size_t idle_count_max_ = SIZE_MAX;
  Duration idle_age_max_ = Duration::max();
  /// The one that was used last comes first.
  boost::intrusive::list<Connection, boost::intrusive::base_hook<IdleHook>,
                         boost::intrusive::constant_time_size<false>>
      idle_;
};

using OriginPtr = boost::intrusive_ptr<Origin>;

}  // namespace millrace::client
