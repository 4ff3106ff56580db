#include <algorithm>

#include "codegen/hash.h"
#include "jit/package/graph.h"
#include "jit/package/manifest.h"
#include "jit/package/names.h"
#include "jit/package/output_file.h"

namespace kiln::jit::package {
namespace {

using tracer::StateEntry;

Bytes bytes_of(const StateEntry& entry) { return {entry.value.data(), entry.value.storage().bytes()}; }

// A file keeps each entry's bytes apart, so that is how they must be.
void check_storages(const std::vector<StateEntry>& state) {
  std::vector<const eager::Storage*> storages;
  for (const StateEntry& entry : state) {
    const std::string name = "the state entry '" + entry.name + "'";
    if (!entry.value) fail(ErrorCode::value, name + " has no tensor");
    const eager::Tensor& t = entry.value;
    if (!t.is_contiguous() || t.offset() != 0 || t.storage().bytes() != static_cast<size_t>(t.numel() * size_of(t.dtype())))
      fail(ErrorCode::value, name + " is not the whole of its storage, in order");
    storages.push_back(&t.storage());
  }
  std::sort(storages.begin(), storages.end());
  if (std::adjacent_find(storages.begin(), storages.end()) != storages.end())
    fail(ErrorCode::value, "two state entries share their storage");
}

// The member weights.safetensors, piece by piece: once to sum it up, once to write it.
template <class F>
void weights(const WeightsLayout& layout, const std::string& header, const std::vector<StateEntry>& state, const F& each) {
  each(std::as_bytes(std::span(header)));
  for (uint32_t i : layout.order()) each(bytes_of(state[i]));
}

void save_checked(const Package& package, const std::string& path) {
  check_names(package);
  check_storages(package.state);
  for (const Entry& entry : package.entries) verify(entry, package.state);

  std::vector<StateType> types;
  for (const StateEntry& s : package.state) types.push_back({s.name, s.value.dtype(), s.value.shape()});
  const WeightsLayout layout(types);
  const std::string graph = write_graph(package.entries, types), header = layout.header();

  codegen::Hasher hash;
  uint32_t crc = 0;
  weights(layout, header, package.state, [&](Bytes piece) {
    hash.update(piece);
    crc = crc32(piece, crc);
  });
  const Bytes graph_bytes = std::as_bytes(std::span(graph));
  const std::string manifest =
      write_manifest({{kGraph, graph.size(), codegen::hash_of(graph_bytes)}, {kWeights, layout.size(), hash.hex()}});
  const ZipLayout zip({{kManifest, manifest.size(), crc32(std::as_bytes(std::span(manifest)))},
                       {kGraph, graph.size(), crc32(graph_bytes)},
                       {kWeights, layout.size(), crc}});

  // What cannot be read back must not be written: an expression nested too deep, say.
  Budget budget(allowance(zip.directory_offset()));
  read_graph(graph, budget);

  OutputFile file(path);
  file.write(zip.header(0));
  file.write(manifest);
  file.write(zip.header(1));
  file.write(graph);
  file.write(zip.header(2));
  weights(layout, header, package.state, [&](Bytes piece) { file.write(piece); });
  file.write(zip.directory());
  file.commit();
}

}  // namespace

void save(const Package& package, const std::string& path) {
  try {
    save_checked(package, path);
  } catch (const Error& e) { fail(e.code(), path + ": " + e.what()); }
}

}  // namespace kiln::jit::package
