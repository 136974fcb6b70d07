// Text in a heap block of exactly its size: under ASan, one byte read past either end is an error.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace millrace::http {

class ExactBuffer {
 public:
  explicit ExactBuffer(std::string_view text)
      : bytes_(std::make_unique_for_overwrite<char[]>(text.size())), size_(text.size()) {
    if (!text.empty()) std::memcpy(bytes_.get(), text.data(), text.size());
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

}  // namespace millrace::http
