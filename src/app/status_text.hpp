// The documents of the admin address as text for people.
//
// Thread rule: pure functions.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace millrace::app {

/// Of /status, with those of /upstreams and /processes under these names where there are any.
/// Whatever is missing in it is left out.
[[nodiscard]] std::string status_text(const nlohmann::ordered_json& status);

/// Names in the document of /processes: members of an object, or `name` of the elements of a list,
/// at the top or under "processes".
[[nodiscard]] std::vector<std::string> process_names(const nlohmann::ordered_json& processes);

}  // namespace millrace::app
