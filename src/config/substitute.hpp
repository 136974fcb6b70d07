// ${NAME}, ${NAME:-default} and $$ inside the strings of a tree. Private to src/config.
#pragma once

#include "config/load.hpp"
#include "config/reader.hpp"
#include "config/value.hpp"

#include <string>
#include <string_view>

namespace millrace::config {

/// `$` in front of anything but `{` and `$` stands for itself. A default is taken when the variable
/// is not set; it is plain text up to the next `}`. What a variable holds is not looked at again.
[[nodiscard]] Parsed<std::string> substitute(std::string_view text, const Environment& environment);

/// Every string of the tree, in place. One that fails is reported and marked broken.
void substitute_all(Reader& reader, Value& root, const Environment& environment);

}  // namespace millrace::config
