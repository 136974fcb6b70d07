// Keys of session tickets (RFC 5077, RFC 8446 section 4.6.1), shared by every io thread: a client
// resumes on whichever thread takes its next connection.
//
// A ticket is sealed with the newest key. After a period a new key takes its place and the old one
// only opens, for one period more; a client that comes with it gets a fresh ticket. Then it is
// wiped: who steals the keys can read no more than the last two periods of TLS 1.2 (TLS 1.3
// resumes with a new key exchange all the same).
//
// Thread rule: any thread; a lock is held for a few instructions per handshake.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <span>

namespace millrace::net {

class TicketKeys {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kNameBytes = 16;

  struct Key {
    std::array<unsigned char, kNameBytes> name;
    std::array<unsigned char, 32> cipher;  ///< AES-256
    std::array<unsigned char, 32> mac;     ///< HMAC-SHA256
    Key();                                 ///< random; throws std::runtime_error without entropy
    Key(const Key&) = delete;
    Key& operator=(const Key&) = delete;
    ~Key();  ///< wipes
  };

  struct Options {
    std::chrono::milliseconds period = std::chrono::hours(12);
    std::function<Clock::time_point()> now = &Clock::now;  ///< for tests
  };

  TicketKeys() : TicketKeys(Options()) {}
  explicit TicketKeys(Options options);

  /// To seal with.
  [[nodiscard]] std::shared_ptr<const Key> newest();
  /// To open with; nullptr: of none of ours, or too old.
  [[nodiscard]] std::shared_ptr<const Key> find(std::span<const unsigned char, kNameBytes> name);
  /// Wipes what is due even when nobody asks for a key. Called now and then.
  void tend();

 private:
  void rotate_if_due();  // holding mutex_

  const Options options_;
  std::mutex mutex_;
  Clock::time_point rotated_;
  std::shared_ptr<const Key> newest_;
  std::shared_ptr<const Key> previous_;
};

}  // namespace millrace::net
