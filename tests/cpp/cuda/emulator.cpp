#include "emulator.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace kiln::codegen::cuda::testing {
namespace {

namespace fs = std::filesystem;

// A folder of this process's own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "kiln-cuda-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

std::string contents(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::string translation_unit(const std::vector<std::string>& sources) {
  std::string text = "#include \"" KILN_EMULATION "/emulation.h\"\n";
  for (size_t i = 0; i < sources.size(); ++i) {
    const std::string n = std::to_string(i), space = "space_" + n, kernel = Emulated::name_of(i);
    text += "namespace " + space + " {\n" + sources[i] + "alignas(16) uint4 shared[emulation::kSharedBytes / 16 + 4];\n}\n";
    text += "extern \"C\" int run_" + n + "(const emulation::Launch* l) { return emulation::launch(" + space + "::" + kernel + ", *l, " +
            space + "::shared); }\n";
  }
  return text;
}

// As emulation.h has them.
struct Launch {
  unsigned grid, block_x, block_y, shared_bytes;
  const void* parameters;
  unsigned order;
};
constexpr const char* kOutcomes[] = {"", "some threads wait for others forever", "shared memory was overrun", "the block is too large"};

}  // namespace

Emulated::Emulated(const std::vector<std::string>& sources) {
  const Folder folder;
  const fs::path source = folder.path / "kernels.cpp", library = folder.path / "kernels.so", log = folder.path / "log";
  std::ofstream(source) << translation_unit(sources);
  // Without optimisation: these kernels take longer to compile than to run.
  const std::string command = std::string(KILN_HOST_COMPILER) +
                              " -std=c++17 -O0 -w -fno-gnu-unique -ffp-contract=off -fno-strict-aliasing -mavx2 -mfma -shared -fPIC -o " +
                              library.string() + " " + source.string() + " >" + log.string() + " 2>&1";
  if (std::system(command.c_str()) != 0) throw std::runtime_error(contents(log) + "\nin\n" + contents(source));
  library_ = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) throw std::runtime_error(dlerror());
}

Emulated::~Emulated() { dlclose(library_); }

std::string Emulated::run(size_t i, const Call& call, unsigned order) const {
  const auto run = reinterpret_cast<int (*)(const Launch*)>(dlsym(library_, ("run_" + std::to_string(i)).c_str()));
  if (run == nullptr) return dlerror();
  const Launch launch{call.grid, call.block_x, call.block_y, call.shared_bytes, call.parameters.data(), order};
  return kOutcomes[run(&launch)];
}

}  // namespace kiln::codegen::cuda::testing
