#include "config/value.hpp"

#include "config/units.hpp"

#include <algorithm>
#include <charconv>

namespace millrace::config {
namespace {

/// One step of a path: a name, or an index in brackets.
struct Step {
  std::string_view name;
  std::size_t index = 0;
  bool is_index = false;
};

Step next_step(std::string_view& path) {
  Step step;
  if (path.starts_with('[')) {
    const auto end = path.find(']');
    std::from_chars(path.data() + 1, path.data() + end, step.index);
    step.is_index = true;
    path.remove_prefix(end + 1);
  } else {
    step.name = path.substr(0, path.find_first_of(".["));
    path.remove_prefix(step.name.size());
  }
  if (path.starts_with('.')) path.remove_prefix(1);
  return step;
}

const Value* descend(const Value& value, const Step& step) {
  if (!step.is_index) return value.kind == Value::Kind::kTable ? value.find(step.name) : nullptr;
  return step.index < value.items.size() ? &value.items[step.index] : nullptr;
}

}  // namespace

const Value* Value::find(std::string_view name) const {
  const auto found = std::ranges::find(members, name, &Member::name);
  return found == members.end() ? nullptr : &found->value;
}

Value* Value::find(std::string_view name) {
  const auto found = std::ranges::find(members, name, &Member::name);
  return found == members.end() ? nullptr : &found->value;
}

std::string describe(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kString:
      return "the string " + quote(value.text);
    case Value::Kind::kInteger:
      return "the number " + std::to_string(value.integer);
    case Value::Kind::kFloat:
      return "a number with a fraction";
    case Value::Kind::kBoolean:
      return value.boolean ? "true" : "false";
    case Value::Kind::kDate:
      return "a date or time";
    case Value::Kind::kArray:
      return "an array";
    case Value::Kind::kTable:
      return "a table";
  }
  return {};
}

Located locate(const Value& root, std::string_view path) {
  Located out{&root, {}};
  while (!path.empty()) {
    out.value = descend(*out.value, next_step(path));
    if (out.value == nullptr) return out;
    out.at = out.value->at;
  }
  return out;
}

}  // namespace millrace::config
