// The middlewares of this build, in their order. Adding one is a file that defines make_NAME() and
// a word in the list of meson.build, from which the table is generated.
//
// Thread rule: the table is constant; each io thread makes instances of its own.
#pragma once

#include "base/log.hpp"
#include "millrace/middleware.hpp"

#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::middleware {

/// What middlewares may need. Outlives them.
struct Context {
  log::Logger* log = nullptr;  ///< null: no access log
  /// The listener is a forward proxy: heads belong to two parties behind us, and pass unchanged.
  bool forward_proxy = false;
};

struct Entry {
  std::string_view name;
  std::unique_ptr<Middleware> (*make)(const Context& context);
};

[[nodiscard]] std::span<const Entry> table() noexcept;

/// One instance of each, in the table's order. Those that have nothing to do are left out.
[[nodiscard]] std::vector<std::unique_ptr<Middleware>> make_all(const Context& context);

}  // namespace millrace::middleware
