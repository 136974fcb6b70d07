// Collects what is wrong while the tree is read, and knows where in it the reading is. Private.
#pragma once

#include "config/load.hpp"
#include "config/value.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::config {

class Reader {
 public:
  /// `sources[0]` is the file, the others the overrides; `folder` is where relative paths begin.
  Reader(std::vector<std::string> sources, std::filesystem::path folder)
      : sources_(std::move(sources)), folder_(std::move(folder)) {}

  /// While it lives, messages speak of one step further down: "server" + ".threads", "listen" +
  /// "[0]".
  class [[nodiscard]] Inside {
   public:
    Inside(Reader& reader, std::string_view name);
    Inside(Reader& reader, std::size_t index);
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside() { reader_.path_.resize(before_); }

   private:
    Reader& reader_;
    std::size_t before_;
  };

  /// "server.threads: <message>"
  void error(Position at, std::string_view message);
  /// "server.threads: expected <what>, got the string "x""
  void expected(std::string_view what, const Value& got);
  /// The message as it is, without the path in front.
  void error_at(Position at, std::string message);
  /// For checks of what was read already: path and place of "route[2].upstream", or of what is
  /// around it.
  void error_of(const Value& root, std::string_view path, std::string_view message);
  /// The same for what should be known and is no reason to refuse the file.
  void warning_of(const Value& root, std::string_view path, std::string_view message);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// `path` against the file's folder, or for an override against the working directory, as whoever
  /// typed it there expects; absolute and without "." and "..".
  [[nodiscard]] std::filesystem::path resolve(Position at, std::string_view path) const;
  [[nodiscard]] std::size_t count() const noexcept { return errors_.size(); }
  /// Something at `path` or below it was wrong: what was not read stands there as its default.
  [[nodiscard]] bool faulty(std::string_view path) const;
  /// Every error that was found, in file order.
  [[nodiscard]] std::vector<Diagnostic> take();
  [[nodiscard]] std::vector<Diagnostic> take_warnings();

 private:
  using Found = std::multimap<Position, std::string>;  ///< equal positions: in order of arrival
  [[nodiscard]] std::vector<Diagnostic> take(Found& found, Diagnostic::Severity severity) const;

  std::vector<std::string> sources_;
  std::filesystem::path folder_;
  std::string path_;
  Found errors_;
  Found warnings_;
};

}  // namespace millrace::config
