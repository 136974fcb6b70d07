#include "middleware/table.hpp"

namespace millrace::middleware {

std::vector<std::unique_ptr<Middleware>> make_all(const Context& context) {
  std::vector<std::unique_ptr<Middleware>> out;
  for (const Entry& entry : table())
    if (auto made = entry.make(context)) out.push_back(std::move(made));
  return out;
}

}  // namespace millrace::middleware
