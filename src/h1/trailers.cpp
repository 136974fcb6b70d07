#include "h1/trailers.hpp"

#include "http/ascii.hpp"
#include "http/gate.hpp"

namespace millrace::h1 {

void parse_trailers(std::string_view section, http::Fields& to) {
  while (!section.empty()) {
    const std::size_t end = section.find("\r\n");
    const std::string_view line = section.substr(0, end);
    section.remove_prefix(end == std::string_view::npos ? section.size() : end + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, colon);
    const http::Field field{
        .name = name, .value = http::trim_ows(line.substr(colon + 1)), .id = http::field_id(name)};
    if (http::is_valid_field(field) && http::is_allowed_trailer(field))
      to.add_copy(field.name, field.value);
  }
}

}  // namespace millrace::h1
