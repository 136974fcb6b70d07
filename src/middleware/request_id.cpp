// X-Request-Id: kept when the client sent a usable one, else generated; goes upstream with the
// request and back with the response, and into the access log. On a forward proxy the request is
// left as it came, and so is the id that an origin gave its answer.
//
// Generated ids are 100 random bits in base32hex (RFC 4648 section 7), lower case: each byte of
// them is encoded by HPACK once per answer. They name requests and are no secret: a fast generator,
// seeded from the kernel once per instance, is enough. Their text lies in slots of this instance,
// because the exchange has no room for it and a request should not allocate.

#include "middleware/table.hpp"

#include <array>
#include <bit>
#include <random>

#include <sys/random.h>

namespace millrace::middleware {
namespace {

using http::FieldId;

constexpr std::size_t kIdBytesMax = 128;
constexpr std::size_t kGeneratedBytes = 20;
constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuv";

consteval std::array<bool, 256> make_id_bytes() {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < table.size(); ++c)
    table[c] = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '.' || c == '_' || c == '-';
  return table;
}
constexpr auto kIdBytes = make_id_bytes();

/// [A-Za-z0-9._-]{1,128}
bool usable(std::string_view id) noexcept {
  if (id.empty() || id.size() > kIdBytesMax) return false;
  for (const char c : id)
    if (!kIdBytes[static_cast<unsigned char>(c)]) return false;
  return true;
}

/// xoshiro256++ (Blackman and Vigna, public domain).
class Random {
 public:
  Random() {
    if (::getrandom(state_.data(), sizeof state_, 0) == sizeof state_) return;
    std::random_device device;
    for (std::uint64_t& word : state_) word = std::uint64_t{device()} << 32 | device();
  }
  std::uint64_t next() noexcept {
    const std::uint64_t out = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return out;
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

/// Slots for the texts of generated ids; grows to the most exchanges that were ever open at once.
class Slots {
 public:
  char* take() {
    if (free_.empty()) grow();
    char* slot = free_.back();
    free_.pop_back();
    return slot;
  }
  /// Ignores texts that do not lie in a slot.
  void give_back(const char* text) noexcept {
    for (const auto& block : blocks_) {
      const std::size_t offset = static_cast<std::size_t>(text - block.get());
      if (std::less<>{}(text, block.get()) || offset >= kBlockBytes) continue;
      free_.push_back(block.get() + offset);
      return;
    }
  }

 private:
  static constexpr std::size_t kPerBlock = 512;
  static constexpr std::size_t kBlockBytes = kPerBlock * kGeneratedBytes;

  void grow() {
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlockBytes));
    free_.reserve(blocks_.size() * kPerBlock);  // so that give_back never allocates
    for (std::size_t i = kPerBlock; i-- > 0;)
      free_.push_back(blocks_.back().get() + i * kGeneratedBytes);
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  std::vector<char*> free_;
};

class RequestId final : public Middleware {
 public:
  explicit RequestId(bool forward_proxy) : forward_proxy_(forward_proxy) {}

  void request(Exchange& exchange) override {
    http::Fields& fields = exchange.request.fields;
    if (const http::Field* sent = fields.find(FieldId::kXRequestId); sent != nullptr) {
      if (usable(sent->value) && fields.count(FieldId::kXRequestId) == 1) {
        exchange.request_id = sent->value;
        return;
      }
      if (!forward_proxy_) fields.remove(FieldId::kXRequestId);
    }
    exchange.request_id = generate();
    if (!forward_proxy_) fields.add(FieldId::kXRequestId, exchange.request_id);
  }

  void response_head(Exchange& exchange, http::ResponseHead& head) override {
    if (forward_proxy_ && head.fields.has(FieldId::kXRequestId)) return;
    if (!exchange.request_id.empty()) head.fields.set(FieldId::kXRequestId, exchange.request_id);
  }

  void finished(Exchange& exchange) override {
    const std::string_view id = std::exchange(exchange.request_id, {});
    if (id.size() == kGeneratedBytes) slots_.give_back(id.data());
  }

 private:
  std::string_view generate() {
    char* const text = slots_.take();
    constexpr std::size_t kPerWord = kGeneratedBytes / 2;
    for (std::size_t word = 0; word < 2; ++word) {
      std::uint64_t bits = random_.next();
      for (std::size_t i = 0; i < kPerWord; ++i, bits >>= 5)
        text[word * kPerWord + i] = kDigits[bits & 31];
    }
    return {text, kGeneratedBytes};
  }

  const bool forward_proxy_;
  Random random_;
  Slots slots_;
};

}  // namespace

std::unique_ptr<Middleware> make_request_id(const Context& context) {
  return std::make_unique<RequestId>(context.forward_proxy);
}

}  // namespace millrace::middleware
