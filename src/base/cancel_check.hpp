// "Should I stop?", asked by long CPU work without knowing who would say so.
//
// Holds a pointer to the token, which must outlive the work; costs two words and no allocation. An
// empty check never stops. Thread rule: that of the token's cancelled().
#pragma once

#include <concepts>
#include <type_traits>

namespace millrace {

class CancelCheck {
 public:
  constexpr CancelCheck() noexcept = default;

  /// Any object with `bool cancelled() const noexcept`, such as the CancelToken of the offload
  /// pool.
  template <class Token>
    requires(!std::same_as<Token, CancelCheck> &&
             requires(const Token& t) {
               { t.cancelled() } noexcept -> std::convertible_to<bool>;
             })
  constexpr CancelCheck(const Token& token) noexcept  // NOLINT: implicit on purpose
      : token_(&token), ask_([](const void* t) noexcept -> bool {
          return static_cast<const Token*>(t)->cancelled();
        }) {}

  [[nodiscard]] bool cancelled() const noexcept { return ask_ != nullptr && ask_(token_); }

 private:
  const void* token_ = nullptr;
  bool (*ask_)(const void*) noexcept = nullptr;
};

// It crosses the frames of C libraries that leave by longjmp.
static_assert(std::is_trivially_copyable_v<CancelCheck>);
static_assert(std::is_trivially_destructible_v<CancelCheck>);

}  // namespace millrace
