#include <algorithm>

#include "jit/package/graph.h"
#include "jit/package/manifest.h"
#include "jit/package/mapped_file.h"
#include "jit/package/names.h"

namespace kiln::jit::package {
namespace {

// A state entry's bytes, in the file.
class Window final : public eager::ForeignMemory {
 public:
  explicit Window(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}
  bool visible_outside() const override { return false; }

 private:
  std::shared_ptr<const MappedFile> file_;
};

// Kernels take a bool's byte to be 0 or 1.
void check_bools(const StateType& type, Bytes bytes) {
  const bool wrong = type.dtype == DType::Bool && std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; });
  if (wrong) fail(ErrorCode::value, "the bool tensor '" + type.name + "' holds a byte that is neither 0 nor 1");
}

std::vector<tracer::StateEntry> map_state(std::vector<StateType> types, const std::shared_ptr<const MappedFile>& file, uint64_t offset,
                                          Bytes member) {
  const WeightsLayout layout(types);
  if (layout.size() != member.size())
    fail(ErrorCode::value, "the state of " + std::string(kGraph) + " makes " + std::to_string(layout.size()) + " bytes, there are " +
                               std::to_string(member.size()));
  if (!layout.begins(as_text(member))) fail(ErrorCode::value, "its header is not that of the state of " + std::string(kGraph));
  std::vector<tracer::StateEntry> state(types.size());
  for (size_t i = 0; i < types.size(); ++i) {
    const StateType& t = types[i];
    const uint64_t bytes = t.bytes();
    check_bools(t, member.subspan(layout.offset(i), bytes));
    std::byte* const data = file->data() + offset + layout.offset(i);
    auto storage = eager::Storage::adopt(data, bytes, /*writable=*/true, std::make_unique<Window>(file));
    state[i].value = eager::Tensor::view(std::move(storage), 0, t.shape, contiguous_strides(t.shape), t.dtype);
  }
  for (size_t i = 0; i < types.size(); ++i) state[i].name = std::move(types[i].name);
  return state;
}

template <class F>
auto in_member(const char* member, const F& body) {
  try {
    return body();
  } catch (const Error& e) { fail(e.code(), std::string(member) + ": " + e.what()); }
}

Package load_checked(const std::string& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  const ZipLayout zip = read_zip(file->bytes());
  check_manifest(file->bytes(), zip);
  const std::vector<Member>& members = zip.members();
  if (members.size() != 3 || members[1].name != kGraph || members[2].name != kWeights)
    fail(ErrorCode::value, "its members are not " + std::string(kManifest) + ", " + kGraph + " and " + kWeights);

  Budget budget(allowance(file->bytes().size()));
  Package package;
  GraphContents graph = in_member(kGraph, [&] { return read_graph(as_text(member_bytes(file->bytes(), zip, 1)), budget); });
  package.entries = std::move(graph.entries);
  package.state =
      in_member(kWeights, [&] { return map_state(std::move(graph.state), file, zip.offset(2), member_bytes(file->bytes(), zip, 2)); });
  in_member(kGraph, [&] {
    check_names(package);
    for (const Entry& entry : package.entries) verify(entry, package.state);
  });
  return package;
}

}  // namespace

Package load(const std::string& path) {
  try {
    return load_checked(path);
  } catch (const Error& e) { fail(e.code(), path + ": " + e.what()); }
}

}  // namespace kiln::jit::package
