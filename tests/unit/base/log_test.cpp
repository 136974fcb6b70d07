#include "base/log.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::log {
namespace {

using namespace std::chrono_literals;

/// Generous: reached only when something is broken.
constexpr auto kSoon = 20s;

/// A pipe in place of stderr.
class Pipe {
 public:
  Pipe() {
    if (::pipe2(fds_, O_CLOEXEC) != 0) std::abort();
  }
  ~Pipe() {
    close_reader();
    ::close(fds_[1]);
  }
  [[nodiscard]] int writer() const noexcept { return fds_[1]; }
  void close_reader() noexcept {
    if (fds_[0] >= 0) ::close(fds_[0]);
    fds_[0] = -1;
  }
  /// What is in there now; may wait for something to be.
  std::string read_some() {
    std::string out(1 << 20, '\0');
    const ssize_t n = ::read(fds_[0], out.data(), out.size());
    out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return out;
  }

 private:
  int fds_[2];
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = testing::TempDir() + "millrace_log_XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryDirectory() { (void)std::system(("rm -rf " + path_).c_str()); }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

AccessRecord record(std::string_view path) {
  AccessRecord r;
  r.method = "GET";
  r.path = path;
  r.status = 200;
  return r;
}

std::unique_ptr<Logger> to_pipe(const Pipe& pipe) {
  return Logger::open({.stderr_fd = pipe.writer()}).value();
}

TEST(Events, AreJsonObjectsWhereNobodyWatches) {
  Pipe pipe;
  const auto logger = to_pipe(pipe);
  logger->event(LogLevel::kWarn, "accept_paused",
                {{"listener", "a\"b"},
                 {"open", 20'000},
                 {"left", -1},
                 {"tls", true},
                 Field::json("list", "[1,2]")});
  ASSERT_TRUE(logger->flush(kSoon));
  const std::string line = pipe.read_some();
  EXPECT_TRUE(line.starts_with(R"({"event":"accept_paused","listener":"a\"b","open":20000,)"
                               R"("left":-1,"tls":true,"list":[1,2],"level":"warn","time":")"))
      << line;
  EXPECT_TRUE(line.ends_with("Z\"}\n")) << line;
}

TEST(Events, TextIsCutWhereItsFieldSays) {
  Pipe pipe;
  const auto logger = to_pipe(pipe);
  const std::string text(kTextShownMax, 'a'), line(kLongTextShownMax, 'b');
  logger->event(LogLevel::kWarn, "just", {{"t", text}, Field::long_text("l", line)});
  logger->event(LogLevel::kWarn, "over", {{"t", text + "x"}, Field::long_text("l", line + "x")});
  ASSERT_TRUE(logger->flush(kSoon));
  std::string written;
  while (std::ranges::count(written, '\n') < 2) written += pipe.read_some();
  const std::string fields = "\"t\":\"" + text + "\",\"l\":\"" + line + "\",\"level\"";
  EXPECT_TRUE(written.contains("{\"event\":\"just\"," + fields));
  EXPECT_TRUE(written.contains("{\"event\":\"over\"," + fields));
}

TEST(Events, BelowTheLevelAreNotWritten) {
  Pipe pipe;
  const auto logger = Logger::open({.level = LogLevel::kWarn, .stderr_fd = pipe.writer()}).value();
  logger->event(LogLevel::kInfo, "hidden");
  logger->announce("ready");
  logger->set_level(LogLevel::kDebug);
  logger->event(LogLevel::kDebug, "shown");
  ASSERT_TRUE(logger->flush(kSoon));
  const std::string text = pipe.read_some();
  EXPECT_FALSE(text.contains("hidden"));
  EXPECT_TRUE(text.contains("\"ready\""));
  EXPECT_TRUE(text.contains("\"shown\""));
}

TEST(Events, ReachTheInstalledLoggerOnly) {
  event(LogLevel::kError, "nobody_listens");
  Pipe pipe;
  {
    const auto logger = to_pipe(pipe);
    logger->install();
    event(LogLevel::kError, "heard");
    ASSERT_TRUE(logger->flush(kSoon));
    EXPECT_TRUE(pipe.read_some().contains("\"heard\""));
  }
  event(LogLevel::kError, "nobody_listens_any_more");
}

TEST(AccessLog, GoesToItsFile) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("access.log");
  Pipe pipe;
  const auto logger = Logger::open({.access = Options::Access::kFile,
                                    .file = path,
                                    .format = Format::kCombined,
                                    .stderr_fd = pipe.writer()})
                          .value();
  logger->access(record("/one"));
  ASSERT_TRUE(logger->flush(kSoon));
  EXPECT_TRUE(contents(path).contains("\"GET /one"));
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0137, 0U) << "not for everybody";
}

TEST(AccessLog, AFileThatCannotBeOpenedIsAnError) {
  const auto logger =
      Logger::open({.access = Options::Access::kFile, .file = "/nonexistent/access.log"});
  ASSERT_FALSE(logger);
  EXPECT_EQ(logger.error().errc, Errc::kIo);
  EXPECT_EQ(logger.error().os_error, ENOENT);
}

TEST(AccessLog, IsReopenedAfterItWasMoved) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("access.log");
  const auto logger = Logger::open({.access = Options::Access::kFile, .file = path}).value();
  logger->access(record("/one"));
  ASSERT_TRUE(logger->flush(kSoon));
  ASSERT_EQ(::rename(path.c_str(), (path + ".1").c_str()), 0);
  logger->access(record("/two"));
  ASSERT_TRUE(logger->flush(kSoon));
  EXPECT_TRUE(contents(path + ".1").contains("/two")) << "nobody said to reopen it yet";
  logger->reopen();
  logger->access(record("/three"));
  ASSERT_TRUE(logger->flush(kSoon));
  EXPECT_TRUE(contents(path).contains("/three"));
  EXPECT_FALSE(contents(path + ".1").contains("/three"));
}

TEST(Change, TakesAnotherFileAndAnotherFormat) {
  const TemporaryDirectory directory;
  const std::string one = directory.file("one.log"), two = directory.file("two.log");
  const auto logger = Logger::open({.access = Options::Access::kFile, .file = one}).value();
  logger->access(record("/one"));
  ASSERT_TRUE(logger->flush(kSoon));
  auto change =
      Logger::prepare({.access = Options::Access::kFile, .file = two, .format = Format::kCombined});
  ASSERT_TRUE(change);
  logger->access(record("/still-one"));
  ASSERT_TRUE(logger->flush(kSoon));
  logger->change(std::move(*change));
  logger->access(record("/two"));
  ASSERT_TRUE(logger->flush(kSoon));
  EXPECT_TRUE(contents(one).contains("/still-one"));
  EXPECT_FALSE(contents(one).contains("/two"));
  EXPECT_TRUE(contents(two).contains("\"GET /two ")) << contents(two);
}

TEST(Change, TheFileIsClosedWhenNothingGoesThere) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("access.log");
  const Pipe pipe;
  const auto logger =
      Logger::open({.access = Options::Access::kFile, .file = path, .stderr_fd = pipe.writer()})
          .value();
  logger->access(record("/last"));
  logger->change(
      Logger::prepare({.access = Options::Access::kOff, .level = LogLevel::kError}).value());
  EXPECT_FALSE(logger->access_on());
  EXPECT_EQ(logger->level(), LogLevel::kError);
  logger->access(record("/off"));
  ASSERT_TRUE(logger->flush(kSoon));
  EXPECT_TRUE(contents(path).contains("/last")) << "it was on its way";
  EXPECT_FALSE(contents(path).contains("/off"));
}

TEST(Change, AFileThatCannotBeOpenedChangesNothing) {
  const auto change = Logger::prepare({.access = Options::Access::kFile, .file = "/proc/none/x"});
  ASSERT_FALSE(change);
  EXPECT_TRUE(change.error().is(Errc::kIo));
}

TEST(AccessLog, KeepsEveryLineOfManyThreadsWhole) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("access.log");
  constexpr int kThreads = 4, kLines = 2000;
  {
    const auto logger = Logger::open({.access = Options::Access::kFile, .file = path}).value();
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&logger, t] {
        for (int i = 0; i < kLines; ++i)
          logger->access(record("/" + std::to_string(t) + "/" + std::to_string(i)));
      });
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(logger->dropped(), 0U);
  }  // the end flushes
  std::ifstream file(path);
  std::vector<int> next(kThreads, 0);
  for (std::string line; std::getline(file, line);) {
    ASSERT_TRUE(line.starts_with("{\"event\":\"access\"") && line.ends_with("}")) << line;
    const std::size_t at = line.find("\"target\":\"/") + 11;
    const int thread = line[at] - '0';
    ASSERT_EQ(std::stoi(line.substr(at + 2)), next[static_cast<std::size_t>(thread)]++)
        << "in the order of their thread";
  }
  EXPECT_EQ(next, std::vector<int>(kThreads, kLines));
}

TEST(StalledReader, HoldsNobodyUpAndIsCounted) {
  Pipe pipe;  // that nobody reads
  auto logger = to_pipe(pipe);
  const std::string path(1000, 'x');
  const auto began = std::chrono::steady_clock::now();
  // Several times what the pipe and the buffer take.
  for (int i = 0; i < 5000; ++i) logger->access(record(path));
  EXPECT_GT(logger->dropped(), 0U);
  EXPECT_FALSE(logger->flush(1ms));
  logger.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, kSoon) << "the end does not wait for ever";
}

TEST(StalledReader, DoesNotStallTheFile) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("access.log");
  Pipe pipe;
  const auto logger =
      Logger::open({.access = Options::Access::kFile, .file = path, .stderr_fd = pipe.writer()})
          .value();
  const std::string text(400, 'x');
  for (int i = 0; i < 1000; ++i) logger->event(LogLevel::kWarn, "noise", {{"text", text}});
  logger->access(record("/through"));
  const auto until = std::chrono::steady_clock::now() + kSoon;
  while (!contents(path).contains("/through") && std::chrono::steady_clock::now() < until)
    (void)logger->flush(10ms);
  EXPECT_TRUE(contents(path).contains("/through"));
}

TEST(StalledReader, GetsTheRestWhenItReadsOn) {
  Pipe pipe;
  const auto logger = to_pipe(pipe);
  const std::string path(1000, 'x');
  constexpr int kLines = 300;  // more than the pipe takes, less than the buffer
  for (int i = 0; i < kLines; ++i) logger->access(record(path));
  EXPECT_FALSE(logger->flush(1ms));
  std::string text;
  while (std::ranges::count(text, '\n') < kLines) text += pipe.read_some();
  EXPECT_EQ(std::ranges::count(text, '\n'), kLines);
  EXPECT_TRUE(text.ends_with("}\n"));
  EXPECT_TRUE(logger->flush(kSoon));
  EXPECT_EQ(logger->dropped(), 0U);
}

TEST(LostReader, IsNoDisaster) {
  Pipe pipe;
  const auto logger = to_pipe(pipe);
  pipe.close_reader();
  logger->access(record("/lost"));
  ASSERT_TRUE(logger->flush(kSoon));
  EXPECT_EQ(logger->dropped(), 1U);
}

TEST(FullDisk, IsNoDisaster) {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  {
    const auto logger = Logger::open({.stderr_fd = full}).value();
    logger->access(record("/one"));
    logger->access(record("/two"));
    ASSERT_TRUE(logger->flush(kSoon));
    EXPECT_EQ(logger->dropped(), 2U);
  }
  ::close(full);
}

}  // namespace
}  // namespace millrace::log
