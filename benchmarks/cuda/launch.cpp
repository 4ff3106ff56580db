// Launches prepared work on an NVIDIA GPU, compares what it leaves in memory with the interpreter's, bit for bit, and times some of it
// against a plain copy on the same device in the same run. Needs the driver alone (libcuda.so.1), at run time.
//
//   kiln_cuda_launch FILE [--json RESULTS] [--seconds S]      S: how long to time each program, 0.3 by default
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "benchmarks/cuda/device.h"
#include "benchmarks/cuda/work.h"

namespace kiln::benchmark {
namespace {

constexpr uint64_t kBeyondCaches = uint64_t{512} << 20;  // bytes to go through before memory is touched again
constexpr size_t kMostCopies = 32;

struct Kernels {
  std::vector<Device::Function> functions;  // [step]
  Kernels(const Device& device, const Program& p) {
    for (const Step& s : p.steps) functions.push_back(device.load(s.cubin));
  }
};

// A program's memory on the device, as it is before the program runs.
class Memory {
 public:
  Memory(const Device& device, const Program& p) : device_(device) {
    for (const Arena& a : p.arenas) {
      bases_.push_back(device.allocate(a.bytes + a.offset + 256));
      addresses_.push_back(bases_.back() + a.offset);
      std::string content = a.content;
      if (content.empty() && a.bytes > 0) {
        content.resize(a.bytes);
        fill(reinterpret_cast<float*>(content.data()), a.bytes / sizeof(float), a.seed);
      }
      device.upload(addresses_.back(), content.data(), a.bytes);
    }
  }
  ~Memory() {
    for (uint64_t base : bases_) device_.release(base);
  }
  Memory(Memory&& other) noexcept : device_(other.device_), bases_(std::move(other.bases_)), addresses_(std::move(other.addresses_)) {
    other.bases_.clear();
  }
  uint64_t address(uint64_t pointer) const { return addresses_[pointer >> 40] + (pointer & ((uint64_t{1} << 40) - 1)); }
  uint64_t arena(size_t i) const { return addresses_[i]; }

 private:
  const Device& device_;
  std::vector<uint64_t> bases_, addresses_;
};

void enqueue(const Device& device, const Program& p, const Kernels& kernels, const Memory& memory) {
  for (size_t i = 0; i < p.steps.size(); ++i) {
    const Step& s = p.steps[i];
    if (s.grid == 0) continue;
    std::string parameters = s.parameters;
    for (size_t b = 0; b < s.pointers.size(); ++b) {
      const uint64_t address = memory.address(s.pointers[b]);
      std::memcpy(parameters.data() + 8 * b, &address, sizeof address);
    }
    device.launch(kernels.functions[i], s.grid, s.block_x, s.block_y, s.shared_bytes, parameters.data());
  }
}

// Whether the device leaves what the interpreter left.
bool compare(const Device& device, const Program& p) {
  const Kernels kernels(device, p);
  const Memory memory(device, p);
  enqueue(device, p, kernels, memory);
  device.synchronise();
  for (size_t i = 0; i < p.arenas.size(); ++i) {
    if (p.arenas[i].expected == 0) continue;
    std::string found(p.arenas[i].bytes, '\0');
    device.download(found.data(), memory.arena(i), found.size());
    if (hash(found.data(), found.size()) != p.arenas[i].expected) return false;
  }
  return true;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Milliseconds of one call: the median over batches that go through more memory than caches hold, for about `seconds`.
template <class Enqueue>
double time(const Device& device, size_t copies, double seconds, const Enqueue& enqueue) {
  const auto batch = [&](size_t calls) {
    return device.milliseconds([&] {
      for (size_t i = 0; i < calls; ++i) enqueue(i % copies);
    }) / static_cast<double>(calls);
  };
  batch(copies);
  const double once = batch(copies);
  const auto calls = std::max<size_t>(1, static_cast<size_t>(seconds * 1000 / 10 / once));
  std::vector<double> times;
  for (int i = 0; i < 10; ++i) times.push_back(batch(calls));
  return median(times);
}

struct Timing {
  const Program* program;
  double milliseconds, copy_milliseconds;  // of the work, and of a copy that moves as many bytes
  double gigabytes() const { return static_cast<double>(program->moved) / milliseconds * 1e-6; }
  double copy_gigabytes() const { return static_cast<double>(program->moved) / copy_milliseconds * 1e-6; }
};

Timing measure(const Device& device, const Program& p, double seconds) {
  uint64_t bytes = 0;
  for (const Arena& a : p.arenas) bytes += a.bytes;
  const size_t copies = std::min(kMostCopies, static_cast<size_t>(kBeyondCaches / bytes) + 1);
  Timing t{&p, 0, 0};
  {
    const Kernels kernels(device, p);
    std::vector<Memory> memory;
    for (size_t i = 0; i < copies; ++i) memory.emplace_back(device, p);
    t.milliseconds = time(device, copies, seconds, [&](size_t i) { enqueue(device, p, kernels, memory[i]); });
  }
  const uint64_t half = p.moved / 2;  // a copy reads and writes
  const size_t pairs = std::min(kMostCopies, static_cast<size_t>(kBeyondCaches / p.moved) + 1);
  std::vector<uint64_t> pieces;
  for (size_t i = 0; i < 2 * pairs; ++i) pieces.push_back(device.allocate(half));
  t.copy_milliseconds = time(device, pairs, seconds, [&](size_t i) { device.copy(pieces[2 * i + 1], pieces[2 * i], half); });
  for (uint64_t piece : pieces) device.release(piece);
  return t;
}

std::string json(const Device& device, size_t compared, const std::vector<std::string>& wrong, const std::vector<Timing>& timings) {
  std::ostringstream out;
  out << "{\"device\": \"" << device.name() << "\", \"driver\": " << device.driver() << ", \"compared\": " << compared
      << ", \"different\": [";
  for (size_t i = 0; i < wrong.size(); ++i) out << (i ? ", " : "") << '"' << wrong[i] << '"';
  out << "], \"timings\": [";
  for (size_t i = 0; i < timings.size(); ++i) {
    const Timing& t = timings[i];
    out << (i ? ",\n  " : "\n  ") << "{\"name\": \"" << t.program->name << "\", \"bytes\": " << t.program->moved
        << ", \"microseconds\": " << 1e3 * t.milliseconds << ", \"gigabytes_per_second\": " << t.gigabytes()
        << ", \"copy_gigabytes_per_second\": " << t.copy_gigabytes() << ", \"of_copy\": " << t.gigabytes() / t.copy_gigabytes() << "}";
  }
  out << "\n]}\n";
  return out.str();
}

int run(int argc, char** argv) {
  const char *file = nullptr, *json_file = nullptr;
  double seconds = 0.3;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--json" && i + 1 < argc) json_file = argv[++i];
    else if (word == "--seconds" && i + 1 < argc) seconds = std::atof(argv[++i]);
    else if (file == nullptr && word[0] != '-') file = argv[i];
    else return std::fprintf(stderr, "usage: kiln_cuda_launch FILE [--json RESULTS] [--seconds S]\n"), 2;
  }
  if (file == nullptr) return std::fprintf(stderr, "usage: kiln_cuda_launch FILE [--json RESULTS] [--seconds S]\n"), 2;
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error(std::string("cannot read ") + file);
  std::ostringstream data;
  data << in.rdbuf();
  const Work work = Work::read(data.str());
  const Device device;
  std::printf("%s, sm_%d, driver %d\n", device.name().c_str(), device.architecture(), device.driver());
  if (device.architecture() / 10 != static_cast<int>(work.architecture) / 10)
    throw std::runtime_error("the work was prepared for sm_" + std::to_string(work.architecture) + "; prepare it for this device");

  std::vector<std::string> wrong;
  for (const Program& p : work.programs) {
    if (compare(device, p)) continue;
    wrong.push_back(p.name);
    std::printf("DIFFERENT: %s\n%s\n", p.name.c_str(), p.text.c_str());
  }
  std::printf("%zu of %zu programs leave the interpreter's bits\n\n", work.programs.size() - wrong.size(), work.programs.size());
  std::fflush(stdout);

  std::vector<Timing> timings;
  std::printf("%-28s %10s %10s %10s %8s\n", "work", "us", "GB/s", "copy GB/s", "of copy");
  for (const Program& p : work.programs) {
    if (p.moved == 0) continue;
    const Timing t = measure(device, p, seconds);
    timings.push_back(t);
    std::printf("%-28s %10.1f %10.0f %10.0f %7.0f%%\n", p.name.c_str(), 1e3 * t.milliseconds, t.gigabytes(), t.copy_gigabytes(),
                100 * t.gigabytes() / t.copy_gigabytes());
    std::fflush(stdout);
  }
  if (json_file != nullptr) std::ofstream(json_file) << json(device, work.programs.size(), wrong, timings);
  return wrong.empty() ? 0 : 1;
}

}  // namespace
}  // namespace kiln::benchmark

int main(int argc, char** argv) {
  try {
    return kiln::benchmark::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kiln_cuda_launch: %s\n", error.what());
    return 3;
  }
}
