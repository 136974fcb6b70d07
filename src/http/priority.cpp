#include "http/priority.hpp"

#include "http/ascii.hpp"

namespace millrace::http {

void read_priority(std::string_view value, Priority& to) noexcept {
  // Neither of the two has a value that may hold a comma. One inside another member's string can at
  // worst look like advice.
  for_each_element(value, [&to](std::string_view element) {
    const std::string_view member = trim_ows(element.substr(0, element.find(';')));
    if (member.size() == 3 && member.starts_with("u=") && member[2] >= '0' && member[2] <= '7') {
      to.urgency = static_cast<std::uint8_t>(member[2] - '0');
      to.said = true;
    } else if (member == "i" || member == "i=?1" || member == "i=?0") {
      to.incremental = member != "i=?0";
      to.said = true;
    }
    return true;
  });
}

}  // namespace millrace::http
