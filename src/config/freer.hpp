// Deleters for the objects of C libraries: std::unique_ptr<X509, Freer<X509_free>>. Private to
// src/config.
#pragma once

namespace millrace::config {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

}  // namespace millrace::config
