// A package comes back from its file as it was, and from nothing but its file.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "jit/package/json_reader.h"
#include "jit/package/manifest.h"
#include "tests/cpp/eager/samples.h"
#include "tests/cpp/eager/tensors.h"
#include "tests/cpp/package/packages.h"

namespace kiln::testing {
namespace {

using namespace tracer;

template <class... Parts>
::testing::AssertionResult says(std::string_view message, const Parts&... parts) {
  for (const std::string_view part : {std::string_view(parts)...})
    if (message.find(part) == std::string_view::npos)
      return ::testing::AssertionFailure() << "'" << message << "' does not say '" << part << "'";
  return ::testing::AssertionSuccess();
}

// The error of loading a file with these bytes.
Error error_of(std::string_view bytes) {
  const TemporaryFolder folder;
  write_file(folder.path("m.kiln"), bytes);
  try {
    jit::package::load(folder.path("m.kiln"));
  } catch (const Error& e) {
    EXPECT_TRUE(says(e.what(), "m.kiln: "));
    return e;
  }
  ADD_FAILURE() << "loaded";
  return Error(ErrorCode::internal, "");
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string version() {
  const std::string manifest = take_apart(saved(smallest_package())).manifest, key = "\"kiln\": \"";
  const size_t at = manifest.find(key) + key.size();
  return manifest.substr(at, manifest.find('"', at) - at);
}

// The error of a model whose graph.json says one thing differently, sums and all.
Error error_of_graph(std::string_view from, std::string_view to, const Package& package = model_package()) {
  const Parts parts = take_apart(saved(package));
  return error_of(put_together(replaced(parts.graph, from, to), parts.weights));
}

TEST(Package, ComesBackAsItWas) {
  const TemporaryFolder folder;
  for (const Package& package : packages()) {
    save(package, folder.path("first.kiln"));
    const Package loaded = jit::package::load(folder.path("first.kiln"));
    ASSERT_EQ(loaded.state.size(), package.state.size());
    for (size_t i = 0; i < package.state.size(); ++i) {
      EXPECT_EQ(loaded.state[i].name, package.state[i].name);
      EXPECT_EQ(loaded.state[i].value.dtype(), package.state[i].value.dtype());
      EXPECT_EQ(loaded.state[i].value.shape(), package.state[i].value.shape());
      EXPECT_EQ(bytes_of(loaded.state[i].value), bytes_of(package.state[i].value));
    }
    ASSERT_EQ(loaded.entries.size(), package.entries.size());
    for (size_t i = 0; i < package.entries.size(); ++i) {
      const Procedure &p = package.entries[i].procedure, &q = loaded.entries[i].procedure;
      EXPECT_EQ(q.dims.texts(1000), p.dims.texts(1000));
      EXPECT_EQ(q.types, p.types);
      EXPECT_EQ(q.constraints, p.constraints);
      ASSERT_EQ(q.calls.size(), p.calls.size());
      for (size_t c = 0; c < p.calls.size(); ++c) {
        EXPECT_EQ(q.calls[c].op, p.calls[c].op);
        EXPECT_EQ(q.calls[c].numbers, p.calls[c].numbers);
        EXPECT_EQ(q.calls[c].where, p.calls[c].where);
      }
    }
    save(loaded, folder.path("second.kiln"));  // the rest is in the text
    EXPECT_EQ(read_file(folder.path("second.kiln")), read_file(folder.path("first.kiln")));
  }
}

TEST(Package, EqualPackagesAreEqualFiles) { EXPECT_EQ(saved(model_package()), saved(model_package())); }

TEST(Package, CallsOfEveryOperatorCanBeSaved) {
  std::set<std::string_view> seen;
  for_each_sample([&](const SampleCall& sample) {
    if (!seen.insert(sample.op->name).second) return;
    Package package;
    Maker m;
    std::vector<CallOperand> operands;
    for (const Operand& o : sample.operands) {
      if (o.is_tensor())
        operands.push_back(
            reg(m.input("x" + std::to_string(operands.size()), o.tensor.dtype(), {o.tensor.shape().begin(), o.tensor.shape().end()})));
      else operands.push_back(o.present ? num(o.scalar) : CallOperand{});
    }
    m.call("add", std::move(operands), sample.attrs, DType::F32, {});
    m.p.calls[0].op = sample.op;
    m.p.types.resize(m.p.types.size() + static_cast<size_t>(sample.op->outputs) - 1);
    package.entries = {{"f", std::move(m.p)}};
    EXPECT_NO_THROW(take_apart(saved(package))) << describe(sample);
  });
  const auto with_samples =
      std::count_if(all_operators().begin(), all_operators().end(), [](const Operator* op) { return !op->samples.empty(); });
  EXPECT_EQ(seen.size(), static_cast<size_t>(with_samples));
}

TEST(Package, StateIsMappedAndWrittenPrivately) {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.kiln");
  save(training_package(), path);
  const std::string before = read_file(path);
  Package loaded = jit::package::load(path);
  for (const StateEntry& s : loaded.state)
    EXPECT_EQ(reinterpret_cast<uintptr_t>(s.value.data()) % static_cast<size_t>(size_of(s.value.dtype())), 0u);
  const Tensor momentum = loaded.state[6].value;
  loaded.state.clear();
  write(momentum, 7.0);
  EXPECT_EQ(values(momentum), std::vector<double>(5, 7.0));
  EXPECT_EQ(read_file(path), before);
  save(model_package(), path);  // a new file takes the name; the mapping keeps the old one
  EXPECT_EQ(values(momentum), std::vector<double>(5, 7.0));
}

// ---- damage -----------------------------------------------------------------------------------------------------------

// What load() does first, without a file: the archive, the manifest and the sums account for every byte.
std::optional<ErrorCode> error_of_bytes(std::string_view file) {
  const auto bytes = std::as_bytes(std::span(file));
  try {
    check_manifest(bytes, jit::package::read_zip(bytes));
  } catch (const Error& e) { return e.code(); }
  return std::nullopt;
}

TEST(Package, FlippedBitsAreFoundAnywhere) {
  for (const Package& package : packages()) {
    const std::string file = saved(package);
    ASSERT_EQ(error_of_bytes(file), std::nullopt);
    for (size_t bit = 0; bit < file.size() * 8; ++bit) {
      std::string flipped = file;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      ASSERT_EQ(error_of_bytes(flipped), ErrorCode::io) << "bit " << bit;
    }
  }
  std::string file = saved(smallest_package());
  for (size_t at = 0; at < file.size(); at += 97) {
    file[at] ^= 4;
    EXPECT_EQ(error_of(file).code(), ErrorCode::io);
    file[at] ^= 4;
  }
}

TEST(Package, TruncationAndSurplusAreFound) {
  const std::string file = saved(smallest_package());
  for (size_t n = 0; n < file.size(); ++n) EXPECT_EQ(error_of_bytes(std::string_view(file).substr(0, n)), ErrorCode::io);
  EXPECT_TRUE(says(error_of(file.substr(0, file.size() - 1)).what(), "truncated"));
  EXPECT_TRUE(says(error_of(file + '\0').what(), "bytes were added"));
  EXPECT_TRUE(says(error_of("").what(), "the file is empty"));
  EXPECT_TRUE(says(error_of(std::string(1000, 'x')).what(), "not a .kiln file"));
  EXPECT_EQ(error_of('x' + file).code(), ErrorCode::io);
}

TEST(Package, DamageIsNamed) {
  const std::string file = saved(model_package());
  const Parts parts = take_apart(file);
  const auto damaged = [&](std::string_view around) {
    std::string copy = file;
    copy[copy.find(around)] ^= 1;
    return error_of(copy);
  };
  EXPECT_TRUE(says(damaged("\"predict\"").what(), "graph.json is corrupt: the hash of its bytes is"));
  EXPECT_TRUE(says(damaged("\"weight\":").what(), "weights.safetensors is corrupt"));
  EXPECT_TRUE(says(damaged("\"xxh3_128\"").what(), "manifest.json is corrupt: its CRC-32"));
  EXPECT_TRUE(says(error_of(put_together({{"other.txt", "x"}})).what(), "its first member is other.txt"));
  EXPECT_TRUE(says(error_of(put_together({{"manifest.json", parts.manifest}, {"graph.json", parts.graph}})).what(), "lists 2 members"));
  EXPECT_TRUE(
      says(error_of(put_together({{"manifest.json", parts.manifest}, {"weights.safetensors", parts.weights}, {"graph.json", parts.graph}}))
               .what(),
           "lists graph.json where weights.safetensors stands"));
  EXPECT_TRUE(
      says(error_of(put_together({{"manifest.json", parts.manifest}, {"graph.json", "{}"}, {"weights.safetensors", parts.weights}})).what(),
           "graph.json is 2 bytes long"));
  EXPECT_TRUE(says(error_of(put_together({{"a/b", ""}})).what(), "name"));
  EXPECT_TRUE(says(error_of(put_together({{"a", ""}, {"a", ""}})).what(), "two members are called a"));
}

TEST(Package, NewerFormatsSayWhatTheyNeed) {
  const Parts parts = take_apart(saved(smallest_package()));
  const std::string newer =
      replaced(replaced(parts.manifest, "\"format\": 1", "\"format\": 2"), "\"kiln\": \"" + version(), "\"kiln\": \"9.8.7");
  // Whatever else is in it.
  const Error e = error_of(put_together({{"manifest.json", replaced(newer, "\"members\"", "\"parts\"")}, {"new.bin", "?"}}));
  EXPECT_EQ(e.code(), ErrorCode::value);
  EXPECT_TRUE(says(e.what(), "format 2", "written by Kiln 9.8.7", "this is Kiln " + version()));
}

TEST(Package, OperatorsThatAreNotThereAreNamed) {
  const Error unknown = error_of_graph("\"name\": \"add\"", "\"name\": \"adore\"");
  EXPECT_EQ(unknown.code(), ErrorCode::value);
  EXPECT_TRUE(says(unknown.what(), "graph.json: ", "'adore' (version 1)"));
  EXPECT_TRUE(says(error_of_graph("\"add\", \"version\": 1", "\"add\", \"version\": 3").what(),
                   "version 3 of the operator 'add'; Kiln " + version() + " has version 1"));
  EXPECT_TRUE(says(error_of_graph("\"op\": \"add\"", "\"op\": \"subtract\"").what(), "not in the list of operators"));
}

TEST(Package, WhatDoesNotHoldTogetherIsNamed) {
  const struct {
    const char *from, *to, *message;
  } cases[] = {
      {"{\"tensor\": 0}", "{\"tensor\": 9}", "entry 'predict': call 0 (matmul): operand 0: register 9 is used where 5 registers are there"},
      {"\"name\": \"0.bias\", \"dtype\": \"float32\"", "\"name\": \"0.bias\", \"dtype\": \"float64\"", "the state of graph.json makes"},
      {"\"name\": \"0.bias\"", "\"name\": \"0.bits\"", "its header is not that of the state"},
      {"\"name\": \"0.bias\"", "\"name\": \"weight\"", "its header is not that of the state"},
      {"\"dtype\": \"float64\"", "\"dtype\": \"float65\"", "'float65' is none of bool, uint8, uint16"},
      {"\"offset\": 11", "\"offset\": 7", "does not lie within 'weight'"},
      {"\"shape\": [3, 4]", "\"shape\": [3, 9223372036854775807]", "too large for a file"},
      {"\"shape\": [3, 4]", "\"shape\": [-3, 4]", "negative extent"},
      {"\"shape\": [3, 4]", "\"shape\": [1, 1, 1, 1, 1, 1, 1, 3, 4]", "more than 8 numbers"},
      {"\"shape\": [3, 4]", "\"shape\": [3.0, 4]", "expected an integer"},
      {"\"state\": 0", "\"states\": 0", "'states' is none of input, state"},
      {"\"kind\": \"call\"", "\"kin\": \"call\"", "expected the key \"kind\""},
      {"\"output\": 5", "\"output\": 6", "its results are register 6 on; expected 5"},
      {"\"output\": 5", "\"output\": -5", "is not an index"},
      {"\"element\": 0", "\"element\": 1", "no such element"},
      {"\"element\": 0", "\"element\": 8", "8 is not an element"},
      {"\"images\", \"dtype\"", "\"scale\", \"dtype\"", "two inputs are called 'scale'"},
      {"\"(batch * 4)\"", "\"(4 * batch)\"", "in its simplest form"},
      {"\"(batch * 4)\"", "\"(batch * 4)(\"", "in its simplest form"},
      {"\"left\": \"(batch % 4)\"", "\"left\": \"(batch % 5)\"", "not in the list of expressions"},
      {"{\"images\": {\"tensor\": 0}", "{\"images\": {\"tensr\": 0}", "'tensr' is not a key of a value"},
      {"\"operands\": [{\"tensor\": 0}", "\"operands\": [{\"tensr\": 0}", "'tensr' is not a key of an operand"},
      {"{\"dtype\": \"float64\"}]", "{\"type\": \"float64\"}]", "'type' is not a key of an attribute"},
      {"[{\"tensor\": 0}, {\"tensor\": 2}]", "[null, {\"tensor\": 2}]", "the operand 'x1' is missing"},
      {"{\"images\": {\"tensor\": 0}, \"scale\"", "{\"images\": {\"tensor\": 0}, \"images\"", "the key 'images' stands twice"},
  };
  for (const auto& c : cases) {
    const Error e = error_of_graph(c.from, c.to);
    EXPECT_EQ(e.code(), ErrorCode::value) << c.to;
    EXPECT_TRUE(says(e.what(), c.message)) << c.to;
  }
}

TEST(Package, BoolsAreZeroOrOne) {
  Parts parts = take_apart(saved(training_package()));
  parts.weights[parts.weights.find("BOOL") == std::string::npos ? 0 : parts.weights.size() - 8] = 2;  // bool and uint8 stand last
  EXPECT_TRUE(says(error_of(put_together(parts.graph, parts.weights)).what(), "'mask' holds a byte that is neither 0 nor 1"));
}

TEST(Package, SmallFilesCannotTakeMuchMemory) {
  const Parts parts = take_apart(saved(smallest_package()));
  std::string nulls = "[";
  for (int i = 0; i < 200'000; ++i) nulls += i == 0 ? "0" : ",0";
  EXPECT_TRUE(says(
      error_of(put_together(replaced(parts.graph, "\"results\": {\"tensor\": 0}", "\"results\": " + nulls + "]"), parts.weights)).what(),
      "more memory than a file of its size is allowed"));
  const std::string brackets(100'000, '[');
  EXPECT_TRUE(
      says(error_of(put_together(replaced(parts.graph, "\"results\": {\"tensor\": 0}", "\"results\": " + brackets), parts.weights)).what(),
           "nested deeper than 64"));
}

// ---- paths ------------------------------------------------------------------------------------------------------------

Error error_of_path(const std::string& path) {
  try {
    jit::package::load(path);
  } catch (const Error& e) { return e; }
  return Error(ErrorCode::internal, "loaded");
}

TEST(Package, PathsThatAreNoFiles) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of_path(folder.path("none.kiln")).code(), ErrorCode::io);
  EXPECT_TRUE(says(error_of_path(folder.path("none.kiln")).what(), "none.kiln: cannot be opened: No such file"));
  EXPECT_TRUE(says(error_of_path(folder.path("")).what(), "not a regular file"));
  ASSERT_EQ(mkfifo(folder.path("pipe").c_str(), 0600), 0);
  EXPECT_TRUE(says(error_of_path(folder.path("pipe")).what(), "not a regular file"));
}

Error error_of_saving(const Package& package, const std::string& path) {
  try {
    save(package, path);
  } catch (const Error& e) { return e; }
  return Error(ErrorCode::internal, "saved");
}

TEST(Package, AFullDiskLeavesTheOldFile) {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.kiln");
  save(smallest_package(), path);
  const std::string before = read_file(path);
  // A limit on files' size is what a full disk is: write() fails half way.
  struct rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const rlim_t limit : {0, 100, 1000, 2500}) {
    const struct rlimit small{limit, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    const Error e = error_of_saving(model_package(), path);
    setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_EQ(e.code(), ErrorCode::io);
    EXPECT_TRUE(says(e.what(), "m.kiln: cannot write: File too large", "unchanged"));
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(read_file(path), before);
  EXPECT_EQ(folder.files(), 1u);
}

TEST(Package, SavingWhereItCannotBe) {
  const TemporaryFolder folder;
  EXPECT_TRUE(says(error_of_saving(smallest_package(), folder.path("no/m.kiln")).what(), "cannot create", "No such file"));
  EXPECT_TRUE(says(error_of_saving(smallest_package(), folder.path("")).what(), "not a regular file"));
  EXPECT_TRUE(says(error_of_saving(smallest_package(), "/dev/full").what(), "not a regular file"));
  EXPECT_EQ(folder.files(), 0u);
}

TEST(Package, SavingKeepsLinksAndPermissions) {
  const TemporaryFolder folder;
  save(smallest_package(), folder.path("real.kiln"));
  chmod(folder.path("real.kiln").c_str(), 0640);
  std::filesystem::create_symlink("real.kiln", folder.path("link.kiln"));
  save(model_package(), folder.path("link.kiln"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path("link.kiln")));
  EXPECT_EQ(jit::package::load(folder.path("real.kiln")).entries[0].name, "predict");
  struct stat status{};
  stat(folder.path("real.kiln").c_str(), &status);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(Package, WhatCannotBeReadBackIsNotSaved) {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.kiln");
  const auto with = [&](auto change) {
    Package package = model_package();
    change(package);
    const Error e = error_of_saving(package, path);
    EXPECT_EQ(e.code(), ErrorCode::value) << e.what();
    return std::string(e.what());
  };
  EXPECT_TRUE(says(with([](Package& p) { p.entries[0].name = "\xff"; }), "not valid UTF-8"));
  EXPECT_TRUE(says(with([](Package& p) { p.entries[0].name = ""; }), "without a name"));
  EXPECT_TRUE(says(with([](Package& p) { p.entries.push_back(p.entries[0]); }), "an entry called 'predict' stands twice"));
  EXPECT_TRUE(says(with([](Package& p) { p.state[0].name = "0.bias"; }), "a state entry called '0.bias' stands twice"));
  EXPECT_TRUE(says(with([](Package& p) { p.state[0].name = std::string("a\0b", 3); }), "NUL"));
  EXPECT_TRUE(says(with([](Package& p) { p.state[0].name = "__metadata__"; }), "safetensors keeps"));
  EXPECT_TRUE(says(with([](Package& p) { p.state[0].value = {}; }), "has no tensor"));
  EXPECT_TRUE(says(with([](Package& p) { p.state.push_back({"again", p.state[0].value}); }), "share their storage"));
  EXPECT_TRUE(says(with([](Package& p) {
                     const Tensor t = counting({8});
                     p.state.push_back({"part", Tensor::view(Ref<Storage>(&t.storage()), 0, {4}, {1}, DType::F32)});
                   }),
                   "'part' is not the whole of its storage"));
  EXPECT_TRUE(says(with([](Package& p) { p.entries[0].procedure.calls[0].operands[0].tensor = 70; }), "entry 'predict': call 0 (matmul)"));
  EXPECT_TRUE(says(with([](Package& p) {
                     DimTable& dims = p.entries[0].procedure.dims;
                     Dim sum = 1;
                     for (int i = 0; i < 40; ++i) sum = dims.add(dims.mul(sum, 3), Dim::expression(0));
                   }),
                   "nested too deep"));
  EXPECT_TRUE(says(with([](Package& p) {
                     DimTable& dims = p.entries[0].procedure.dims;
                     Dim sum = Dim::expression(0);
                     for (int i = 0; i < 40; ++i) sum = dims.mul(sum, sum);
                   }),
                   "made of too many others"));
  EXPECT_EQ(folder.files(), 0u);
}

}  // namespace
}  // namespace kiln::testing
