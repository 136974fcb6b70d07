#include "app/download.hpp"

#include "app/file_name.hpp"
#include "client/response.hpp"
#include "http/ascii.hpp"
#include "http/date.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::app {
namespace {

using http::FieldId;

constexpr mode_t kMode = 0666;  // the umask takes from it
/// A URL, a validator, and what is around them.
constexpr std::size_t kNoteBytesMax = 128 * 1024;
constexpr std::string_view kNoteFirstLine = "millrace part 1\n";

bool write_all(int fd, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// Empty where it cannot be read or is too large.
std::string read_small(int folder, const std::string& name) {
  const OwnFd file(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return {};
  std::string text(kNoteBytesMax, '\0');
  const ssize_t n = ::read(file.get(), text.data(), text.size());
  text.resize(n < 0 || static_cast<std::size_t>(n) == kNoteBytesMax ? 0
                                                                    : static_cast<std::size_t>(n));
  return text;
}

std::chrono::sys_seconds now_seconds() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// Some servers know Range and do not look at If-Range.
bool says_otherwise(const http::Fields& fields, std::string_view validator) noexcept {
  const auto id = validator.starts_with('"') ? http::FieldId::kETag : http::FieldId::kLastModified;
  return fields.value_or(id, validator) != validator;
}

}  // namespace

OwnFd::~OwnFd() {
  if (fd_ >= 0) ::close(fd_);
}

std::expected<OwnFd, std::string> open_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  OwnFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return std::unexpected(path + ": " + std::strerror(errno));
  return fd;
}

std::string_view strong_validator(const http::Fields& fields,
                                  std::chrono::sys_seconds now) noexcept {
  const std::string_view tag = fields.value_or(FieldId::kETag, {});
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') return tag;
  const std::string_view modified = fields.value_or(FieldId::kLastModified, {});
  const auto when = http::parse_date(modified, now);
  const auto date = http::parse_date(fields.value_or(FieldId::kDate, {}), now);
  if (!when || !date || *date - *when < std::chrono::seconds(1)) return {};
  return modified;
}

std::optional<ContentRange> parse_content_range(std::string_view value) noexcept {
  if (!http::istarts_with(value, "bytes ")) return std::nullopt;
  value.remove_prefix(6);
  const std::size_t dash = value.find('-');
  const std::size_t slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash)
    return std::nullopt;
  const auto first = http::parse_decimal(value.substr(0, dash));
  const auto last = http::parse_decimal(value.substr(dash + 1, slash - dash - 1));
  const auto whole = http::parse_decimal(value.substr(slash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  if (!whole && value.substr(slash + 1) != "*") return std::nullopt;
  if (whole && *whole <= *last) return std::nullopt;
  return ContentRange{*first, *last, whole};
}

Download::Download(Place place, bool may_resume, OnBytes on_bytes)
    : place_(std::move(place)),
      part_(place_.name + std::string(kPartSuffix)),
      note_(place_.name + std::string(kPartNoteSuffix)),
      on_bytes_(std::move(on_bytes)),
      may_resume_(may_resume) {
  if (may_resume_) find_rest();
}

Download::~Download() {
  if (file_ && !saved_ && !resumable_) remove_part();
}

void Download::remove_part() noexcept {
  ::unlinkat(place_.folder, note_.c_str(), 0);
  ::unlinkat(place_.folder, part_.c_str(), 0);
}

void Download::find_rest() {
  std::string_view note;
  const std::string text = read_small(place_.folder, note_);
  note = text;
  const std::string head = std::string(kNoteFirstLine) + place_.url + '\n';
  if (!note.starts_with(head) || !note.ends_with('\n')) return;
  note.remove_prefix(head.size());
  if (note.size() < 2) return;
  note.remove_suffix(1);
  struct stat status{};
  const int flags = AT_SYMLINK_NOFOLLOW;
  if (::fstatat(place_.folder, part_.c_str(), &status, flags) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size <= 0 || !http::all_are(note, http::kValueByte))
    return;
  rest_ = {static_cast<std::uint64_t>(status.st_size), std::string(note)};
}

// One process at a time: two that write into one file would mix.
bool Download::open_part(int flags) {
  file_ = OwnFd(::openat(place_.folder, part_.c_str(),
                         O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | flags, kMode));
  return file_ && ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0;
}

Result<void> Download::file_failed(std::string_view what) {
  const int error = errno;
  fault_ = std::string(what) + ": ";
  fault_ += error == EWOULDBLOCK ? "another process is writing it" : std::strerror(error);
  if (error == EWOULDBLOCK) resumable_ = true;  // it is not ours to remove
  return fail(Errc::kIo, error);
}

Result<void> Download::start_over() {
  started_over_ = true;
  remove_part();
  return fail(Errc::kUpstreamBadMessage);
}

Result<void> Download::begin(const client::Response& response) {
  const int status = response.status();
  if (rest_ && status == 206) return begin_rest(response);
  if (rest_ && status == 416) return start_over();
  if (status == 206) return fail(Errc::kUpstreamBadMessage);  // a part that nobody asked for
  wanted_ = status / 100 == 2 && !response.body_length().is_none();
  return wanted_ ? begin_new(response) : Result<void>{};
}

Result<void> Download::begin_rest(const client::Response& response) {
  const http::Field* said = response.fields().find("Content-Range");
  const auto range = parse_content_range(said == nullptr ? std::string_view() : said->value);
  if (!range || range->first != rest_->offset || !range->whole) return start_over();
  if (says_otherwise(response.fields(), rest_->validator)) return start_over();
  resumable_ = true;
  if (!open_part(0)) return file_failed(part_);
  const off_t end = ::lseek(file_.get(), 0, SEEK_END);
  if (end < 0 || static_cast<std::uint64_t>(end) != rest_->offset) return start_over();
  wanted_ = true;
  written_ = rest_->offset;
  whole_bytes_ = range->whole;
  return {};
}

Result<void> Download::begin_new(const client::Response& response) {
  resumable_ = true;  // until it is ours
  if (!open_part(O_CREAT)) return file_failed(part_);
  resumable_ = false;
  ::unlinkat(place_.folder, note_.c_str(), 0);
  if (::ftruncate(file_.get(), 0) != 0) return file_failed(part_);
  const std::string_view validator = strong_validator(response.fields(), now_seconds());
  if (!may_resume_ || validator.empty()) return {};
  if (!write_note(validator)) return file_failed(note_);
  resumable_ = true;
  return {};
}

bool Download::write_note(std::string_view validator) {
  const OwnFd note(::openat(place_.folder, note_.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kMode));
  std::string text(kNoteFirstLine);
  text.append(place_.url).append("\n").append(validator).append("\n");
  return note && text.size() < kNoteBytesMax && write_all(note.get(), text);
}

Task<Result<void>> Download::take(std::string_view piece) {
  if (!wanted_) co_return Result<void>{};
  if (!write_all(file_.get(), piece)) co_return file_failed(part_);
  written_ += piece.size();
  on_bytes_(piece.size());
  co_return Result<void>{};
}

Task<Result<void>> Download::finish() {
  if (!wanted_) co_return Result<void>{};
  if (whole_bytes_ && *whole_bytes_ != written_) co_return fail(Errc::kUpstreamTruncated);
  if (::renameat(place_.folder, part_.c_str(), place_.folder, place_.name.c_str()) != 0)
    co_return file_failed(place_.name);
  ::unlinkat(place_.folder, note_.c_str(), 0);
  saved_ = true;
  co_return Result<void>{};
}

}  // namespace millrace::app
