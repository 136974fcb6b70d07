#include "process/file_watch.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <stdlib.h>

namespace millrace::process {
namespace {

namespace fs = std::filesystem;

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest() {
    std::string path = fs::temp_directory_path() / "millrace-watch-XXXXXX";
    folder_ = ::mkdtemp(path.data());
    write("app.py", "1");
  }
  ~FileWatchTest() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  fs::path folder_;
};

TEST_F(FileWatchTest, TellsOnceWhenItIsOver) {
  FileWatch watch({folder_ / "app.py"});
  EXPECT_FALSE(watch.changed());
  write("app.py", "12");
  EXPECT_FALSE(watch.changed()) << "it may still be written";
  write("app.py", "123");
  EXPECT_FALSE(watch.changed());
  EXPECT_TRUE(watch.changed());
  EXPECT_FALSE(watch.changed());
}

TEST_F(FileWatchTest, SeesFilesComeAndGoInFolders) {
  FileWatch watch({folder_});
  write("package/new.py", "");
  EXPECT_FALSE(watch.changed());
  EXPECT_TRUE(watch.changed());
  fs::remove(folder_ / "package/new.py");
  EXPECT_FALSE(watch.changed());
  EXPECT_TRUE(watch.changed());
}

TEST_F(FileWatchTest, LeavesOutWhatPythonAndEditorsWrite) {
  FileWatch watch({folder_});
  write("__pycache__/app.pyc", "x");
  write(".app.py.swp", "x");
  EXPECT_FALSE(watch.changed());
  EXPECT_FALSE(watch.changed());
}

TEST_F(FileWatchTest, AFileThatIsMissingMayCome) {
  FileWatch watch({folder_ / "later"});
  EXPECT_FALSE(watch.changed());
  write("later", "x");
  EXPECT_FALSE(watch.changed());
  EXPECT_TRUE(watch.changed());
}

}  // namespace
}  // namespace millrace::process
