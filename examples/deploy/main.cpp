// Runs an exported program from C++: predictions, then ten training steps, whose state is saved. Python is not needed.
//
//   deploy FOLDER    reads m.kiln, predict.f32, images.f32 and labels.i64 from there; writes cpp.*.f32 and trained.kiln
#include <kiln/kiln.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using kiln::Tensor;

// Raw numbers, as numpy.ndarray.tofile writes them.
template <class T>
std::vector<T> read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file || bytes.size() % sizeof(T) != 0) throw std::runtime_error("cannot read " + path);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(values.data()));
  return values;
}

void write(const std::string& path, const std::vector<float>& values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

// The shape of so many images: the program knows the rest, (batch, 1, 28, 28).
kiln::Shape image_shape(const kiln::Entry& entry, int64_t batch) {
  const std::vector<std::string> extents = entry.inputs()[0].shape;
  kiln::Shape shape(batch);
  for (size_t i = 1; i < extents.size(); ++i) shape.push_back(std::stoll(extents[i]));
  return shape;
}

void run(const std::string& folder) {
  const kiln::Program program = kiln::load(folder + "/m.kiln");

  const kiln::Entry predict = program["predict"];
  const Tensor images(read<float>(folder + "/predict.f32"));
  for (const int64_t batch : {1, 7, 64}) {
    const kiln::Shape shape = image_shape(predict, batch);
    const Tensor some = kiln::reshape(images[kiln::Slice{.stop = shape.numel()}], shape);
    write(folder + "/cpp." + std::to_string(batch) + ".f32", predict(some).to_vector<float>());
  }

  // Ten steps: forward, backward and the optimiser's update are one call, which changes the program's weights and momenta.
  constexpr int64_t kSteps = 10;
  const kiln::Entry train = program["train"];
  const Tensor labels(read<int64_t>(folder + "/labels.i64"));
  const int64_t batch = labels.numel() / kSteps;
  const Tensor batches = kiln::reshape(Tensor(read<float>(folder + "/images.f32")), image_shape(train, kSteps * batch));
  std::vector<float> losses;
  for (int64_t i = 0; i < kSteps; ++i) {
    const kiln::Slice rows{i * batch, (i + 1) * batch};
    losses.push_back(train(batches[rows], labels[rows]).item<float>());
  }
  write(folder + "/cpp.losses.f32", losses);
  program.save(folder + "/trained.kiln");
  std::cout << "C++, Kiln " << kiln::version() << ": " << kSteps << " training steps, loss " << losses.front() << " to " << losses.back()
            << '\n';
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "deploy FOLDER\n";
    return 2;
  }
  try {
    run(arguments[1]);
    return 0;
  } catch (const std::exception& e) {  // kiln::Error is one
    std::cerr << "deploy: " << e.what() << '\n';
    return 1;
  }
}
