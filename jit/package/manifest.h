// manifest.json: which format a file has, which Kiln wrote it, and the size and hash of each other member.
#pragma once

#include <string>
#include <vector>

#include "jit/package/zip.h"

namespace kiln::jit::package {

inline constexpr int64_t kFormat = 1;  // docs/format.md says what each has
inline constexpr const char* kManifest = "manifest.json";
inline constexpr const char* kGraph = "graph.json";
inline constexpr const char* kWeights = "weights.safetensors";

struct Listed {
  std::string name;
  uint64_t size = 0;
  std::string hash;  // hash.h
};

std::string write_manifest(const std::vector<Listed>&);

// Checks the archive against its manifest, and its members' bytes against their hashes. Error{value}: a newer format; Error{io}: anything
// else.
void check_manifest(Bytes file, const ZipLayout&);

}  // namespace kiln::jit::package
