// The main of a fuzz target in ordinary builds: runs every file of a corpus folder, or single files
// (`fuzz_gate FILE` reproduces a finding), and tells it in TAP, one case per file. A folder without
// files is a failure.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(int argc, char** argv) {
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      continue;
    }
    for (const auto& entry : fs::directory_iterator(argv[i]))
      if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

bool run(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) return false;
  (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<fs::path> files = files_of(argc, argv);
  if (files.empty()) {
    std::puts("Bail out! no corpus file");
    return 1;
  }
  std::printf("1..%zu\n", files.size());
  int failed = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    // A finding ends the process: which file it was has to be out before.
    std::printf("# %s\n", files[i].filename().c_str());
    std::fflush(stdout);
    const bool ran = run(files[i]);
    std::printf("%s %zu %s\n", ran ? "ok" : "not ok", i + 1, files[i].filename().c_str());
    failed += ran ? 0 : 1;
  }
  return failed == 0 ? 0 : 1;
}
