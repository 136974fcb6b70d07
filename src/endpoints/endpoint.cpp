#include "endpoints/endpoint.hpp"

namespace millrace::endpoints {

std::unique_ptr<Handler> make_endpoint(std::string_view name, const EndpointContext& context) {
  for (const EndpointEntry& entry : endpoint_table())
    if (entry.name == name) return entry.make(context);
  return nullptr;
}

}  // namespace millrace::endpoints
