#include "tests/cpp/package/packages.h"

#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "codegen/hash.h"
#include "jit/package/manifest.h"
#include "tests/cpp/eager/tensors.h"

namespace kiln::testing {

using namespace tracer;
using namespace std::string_literals;
using jit::package::ZipLayout;

TemporaryFolder::TemporaryFolder() {
  const std::filesystem::path in_memory = "/dev/shm";  // tests make thousands of files
  std::string name = ((std::filesystem::exists(in_memory) ? in_memory : std::filesystem::temp_directory_path()) / "kiln-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = name;
}
TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(folder_); }
size_t TemporaryFolder::files() const {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()));
}

std::string read_file(const std::string& path) {
  std::ostringstream all;
  all << std::ifstream(path, std::ios::binary).rdbuf();
  return all.str();
}

void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string saved(const Package& package) {
  const TemporaryFolder folder;
  save(package, folder.path("saved.kiln"));
  return read_file(folder.path("saved.kiln"));
}

// ---- procedures -------------------------------------------------------------------------------------------------------

Register Maker::input(const std::string& name, DType dtype, std::vector<Dim> shape) {
  p.leaves.push_back({.kind = Leaf::Kind::input, .index = static_cast<uint32_t>(p.inputs.size())});
  p.inputs.push_back({name, {dtype, shape}});
  p.types.push_back({dtype, std::move(shape)});
  return static_cast<Register>(p.types.size() - 1);
}

Register Maker::state(uint32_t entry, const Tensor& window) {
  p.leaves.push_back({Leaf::Kind::state, entry, window.dtype(), window.offset(), window.shape(), window.strides()});
  p.types.push_back({window.dtype(), {window.shape().begin(), window.shape().end()}});
  return static_cast<Register>(p.types.size() - 1);
}

Register Maker::call(const char* name, std::vector<CallOperand> operands, Attrs attrs, DType dtype, std::vector<Dim> shape) {
  const auto output = static_cast<Register>(p.types.size());
  p.calls.push_back({.op = find_operator(name), .operands = std::move(operands), .attrs = std::move(attrs), .first_output = output});
  p.types.push_back({dtype, std::move(shape)});
  return output;
}

Tree tensor_tree(int64_t number) { return {.kind = Tree::Kind::tensor, .integer = number}; }

Tree dict_tree(std::vector<std::pair<std::string, Tree>> items) {
  Tree tree{.kind = Tree::Kind::dict};
  for (auto& [key, value] : items) {
    tree.keys.push_back(key);
    tree.children.push_back(std::move(value));
  }
  return tree;
}

// ---- packages ---------------------------------------------------------------------------------------------------------

Package smallest_package() {
  Maker m;
  m.input("x", DType::F32, {3});
  m.p.arguments = dict_tree({{"x", tensor_tree(0)}});
  m.p.results = tensor_tree(0);
  return {.entries = {{"f", std::move(m.p)}}};
}

Package model_package() {
  Package package;
  package.state = {{"weight", counting({3, 4})}, {"0.bias", tensor({4}, {0.5, -1, 2, 1e-30})}};
  const Tensor weight = package.state[0].value;
  Maker m;
  const Dim n = m.p.dims.symbol("batch"), k = m.p.dims.symbol("k");
  const Dim elements = m.p.dims.mul(n, 4);
  const Register x = m.input("images", DType::F32, {n, 3}), y = m.input("scale", DType::F64, {k, k, 1});
  const Register w = m.state(0, weight), b = m.state(1, package.state[1].value);
  const Register column = m.state(0, Tensor::view(Ref<Storage>(&weight.storage()), 11, {2, 3}, {0, -4}, DType::F32));
  const Register xw = m.call("matmul", {reg(x), reg(w)}, {}, DType::F32, {n, 4});
  const Register sum = m.call("add", {reg(xw), reg(b)}, {}, DType::F32, {n, 4});
  const Register flat = m.call("reshape", {reg(sum)}, {Dims{8}}, DType::F32, {elements});
  m.p.calls.back().numbers = {{.index = 0, .element = 0, .dim = elements}};
  const Register total = m.call("sum", {reg(flat)}, {{}, false, DType::F64}, DType::F64, {});
  const Register mean = m.call("divide", {reg(total), num(8.0)}, {}, DType::F64, {});
  m.p.calls.back().numbers = {{.place = SymbolicNumber::Place::operand,
                               .index = 1,
                               .dim = elements,
                               .floating = true,
                               .form = ScalarForm::quotient,
                               .factor = 0.1}};
  m.p.calls.back().where = "train.py:12";
  const Register scaled = m.call("multiply", {reg(y), reg(column)}, {}, DType::F64, {k, m.p.dims.symbol("_"), 3});
  m.p.constraints = {{Constraint::Op::equal, m.p.dims.mod(n, 4), 0, "train.py:3"},
                     {Constraint::Op::less, m.p.dims.max(k, 2), m.p.dims.floor_div(m.p.dims.add(n, -7), k), ""}};
  m.p.arguments = dict_tree({{"images", tensor_tree(0)}, {"scale", tensor_tree(1)}});
  m.p.results = {.kind = Tree::Kind::tuple, .children = {tensor_tree(mean), tensor_tree(scaled)}};
  package.entries = {{"predict", std::move(m.p)}};
  return package;
}

Package training_package() {
  Package package;
  package.state = {{"mask", tensor({5}, {1, 0, 1, 1, 0}, DType::Bool)},
                   {"bytes", counting({7}, DType::U8)},
                   {"steps", tensor({}, {41}, DType::I32)},
                   {"ids", counting({2, 3}, DType::I64)},
                   {"nothing", Tensor::empty({0, 4}, DType::F64)},
                   {"wide", tensor({2}, {0.1, -0.0}, DType::F64)},
                   {"momentum.\"0\"\n\\é", counting({5})}};
  {
    Maker m;
    const Register steps = m.state(2, package.state[2].value), momentum = m.state(6, package.state[6].value);
    const Register g = m.input("gradient", DType::F32, {5});
    m.p.calls.push_back(
        {.kind = CallKind::in_place, .op = find_operator("multiply"), .operands = {reg(momentum), num(0.9)}, .destination = momentum});
    m.p.calls.push_back({.kind = CallKind::in_place,
                         .op = find_operator("add"),
                         .operands = {reg(momentum), reg(g)},
                         .destination = momentum,
                         .where = "a file with a long name, so that the text is on the heap.py:100"});
    m.p.calls.push_back({.kind = CallKind::in_place, .op = find_operator("add"), .operands = {reg(steps), num(1)}, .destination = steps});
    m.p.calls.push_back({.kind = CallKind::write, .operands = {num(0.0)}, .destination = g});
    m.p.calls.push_back({.kind = CallKind::write, .operands = {reg(momentum)}, .destination = g});
    m.p.arguments = dict_tree({{"gradient", tensor_tree(0)}});
    package.entries.push_back({"train", std::move(m.p)});
  }
  {
    Maker m;
    std::vector<CallOperand> both;
    for (uint32_t i : {3, 4}) both.push_back(reg(m.state(i, package.state[i].value)));
    const Register mask = m.state(0, package.state[0].value);
    const Register drawn = m.call("random_uniform", {}, {Dims{5}, {}}, DType::F32, {5});
    const Register kept = m.call("where", {reg(mask), reg(drawn), num(0)}, {}, DType::F32, {5});
    const Register pooled = m.call("stack", {reg(kept), reg(drawn), reg(kept)}, {int64_t{0}}, DType::F32, {3, 5});
    m.p.results = {.kind = Tree::Kind::list, .children = {tensor_tree(pooled), tensor_tree(both[0].tensor)}};
    package.entries.push_back({"draw \"é\"", std::move(m.p)});
  }
  return package;
}

Package value_package() {
  Package package;
  Maker m;
  const Register x = m.input("x.layers.0", DType::F32, {2, 4, 1});
  m.input("unused", DType::I64, {});
  m.call("clip", {reg(x), {}, num(1.5)}, {}, DType::F32, {2, 4, 1});
  m.call("clip", {reg(x), num(true), num(int64_t{-3})}, {}, DType::F32, {2, 4, 1});
  m.call("clip", {reg(x), num(-std::numeric_limits<double>::infinity()), num(std::nan(""))}, {}, DType::F32, {2, 4, 1});
  m.call("clip", {reg(x), num(-0.0), num(std::numeric_limits<int64_t>::min())}, {}, DType::F32, {2, 4, 1});
  m.call("leaky_relu", {reg(x)}, {0.1}, DType::F32, {2, 4, 1});
  m.call("leaky_relu", {reg(x)}, {std::bit_cast<double>(uint64_t{0xfff8'0000'0000'00ab})}, DType::F32, {2, 4, 1});
  m.call("leaky_relu", {reg(x)}, {int64_t{0}}, DType::F32, {2, 4, 1});
  m.call("gelu", {reg(x)}, {std::string("tanh")}, DType::F32, {2, 4, 1});
  m.call("sum", {reg(x)}, {Dims{0, 2}, true, std::monostate()}, DType::F32, {1, 4, 1});
  const Register last = m.call("sum", {reg(x)}, {int64_t{-1}, false, DType::I64}, DType::I64, {2, 4});
  const Tree text{.kind = Tree::Kind::text, .text = "quote \" back \\ nul \0 é \xf0\x9f\x94\xa5"s};
  Tree deep = tensor_tree(last);
  for (int i = 0; i < 60; ++i) deep = {.kind = i % 2 == 0 ? Tree::Kind::list : Tree::Kind::tuple, .children = {deep}};
  m.p.arguments = dict_tree(
      {{"x", {.kind = Tree::Kind::dict, .keys = {"layers"}, .children = {{.kind = Tree::Kind::list, .children = {tensor_tree(0)}}}}},
       {"mode", text},
       {"", {.kind = Tree::Kind::boolean, .integer = 1}},
       {"unused", tensor_tree(1)},
       {"again", tensor_tree(0)}});
  m.p.results = dict_tree(
      {{"deep", deep},
       {"none", {}},
       {"flags", {.kind = Tree::Kind::tuple, .children = {{.kind = Tree::Kind::boolean}, {.kind = Tree::Kind::boolean, .integer = 1}}}},
       {"int", {.kind = Tree::Kind::integer, .integer = std::numeric_limits<int64_t>::max()}},
       {"float", {.kind = Tree::Kind::floating, .floating = 1e22}},
       {"half", {.kind = Tree::Kind::floating, .floating = 5e-324}},
       {"inf", {.kind = Tree::Kind::floating, .floating = std::numeric_limits<double>::infinity()}},
       {"empty", {.kind = Tree::Kind::dict}},
       {"nothing", {.kind = Tree::Kind::list}}});
  package.entries = {{"values", std::move(m.p)}, {"none", {}}};
  return package;
}

std::vector<Package> packages() {
  std::vector<Package> all;
  for (auto* make : {smallest_package, model_package, training_package, value_package}) all.push_back(make());
  return all;
}

// ---- files ------------------------------------------------------------------------------------------------------------

namespace {

jit::package::Bytes bytes(const std::string& s) { return std::as_bytes(std::span(s)); }

}  // namespace

Parts take_apart(const std::string& file) {
  const ZipLayout zip = jit::package::read_zip(bytes(file));
  const auto member = [&](size_t i) { return std::string(jit::package::as_text(member_bytes(bytes(file), zip, i))); };
  return {member(0), member(1), member(2)};
}

std::string put_together(const std::vector<std::pair<std::string, std::string>>& members) {
  std::vector<jit::package::Member> described;
  for (const auto& [name, content] : members) described.push_back({name, content.size(), jit::package::crc32(bytes(content))});
  const ZipLayout zip(std::move(described));
  std::string file;
  for (size_t i = 0; i < members.size(); ++i) file += zip.header(i) + members[i].second;
  return file + zip.directory();
}

std::string put_together(const std::string& graph, const std::string& weights) {
  using namespace jit::package;
  const std::string manifest = write_manifest(
      {{kGraph, graph.size(), codegen::hash_of(bytes(graph))}, {kWeights, weights.size(), codegen::hash_of(bytes(weights))}});
  return put_together({{kManifest, manifest}, {kGraph, graph}, {kWeights, weights}});
}

}  // namespace kiln::testing
