#include "config/reader.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace millrace::config {

Reader::Inside::Inside(Reader& reader, std::string_view name)
    : reader_(reader), before_(reader.path_.size()) {
  if (before_ != 0) reader.path_ += '.';
  reader.path_ += name;
}

Reader::Inside::Inside(Reader& reader, std::size_t index)
    : reader_(reader), before_(reader.path_.size()) {
  reader.path_.append("[").append(std::to_string(index)).append("]");
}

void Reader::error(Position at, std::string_view message) {
  error_at(at, path_.empty() ? std::string(message) : path_ + ": " + std::string(message));
}

void Reader::expected(std::string_view what, const Value& got) {
  error(got.at, "expected " + std::string(what) + ", got " + describe(got));
}

void Reader::error_at(Position at, std::string message) {
  errors_.emplace(at, std::move(message));
}

void Reader::error_of(const Value& root, std::string_view path, std::string_view message) {
  error_at(locate(root, path).at, std::string(path).append(": ").append(message));
}

void Reader::warning_of(const Value& root, std::string_view path, std::string_view message) {
  warnings_.emplace(locate(root, path).at, std::string(path).append(": ").append(message));
}

std::filesystem::path Reader::resolve(Position at, std::string_view path) const {
  if (at.source == 0) return (folder_ / path).lexically_normal();
  std::error_code ignored;
  return std::filesystem::absolute(path, ignored).lexically_normal();
}

bool Reader::faulty(std::string_view path) const {
  return std::ranges::any_of(errors_, [path](const auto& error) {
    const std::string_view message = error.second;
    return message.starts_with(path) && message.size() > path.size() &&
           std::string_view(":.[").contains(message[path.size()]);
  });
}

std::vector<Diagnostic> Reader::take() {
  return take(errors_, Diagnostic::Severity::kError);
}

std::vector<Diagnostic> Reader::take_warnings() {
  return take(warnings_, Diagnostic::Severity::kWarning);
}

std::vector<Diagnostic> Reader::take(Found& found, Diagnostic::Severity severity) const {
  std::vector<Diagnostic> out;
  for (auto& [at, message] : found) {
    out.push_back({sources_[at.source], at.line, at.column, std::move(message), severity});
  }
  found.clear();
  return out;
}

}  // namespace millrace::config
