// The .kiln file: the procedures of one program and the state they share, in a file that runs without the source it was traced from.
//
// docs/format.md describes the file. Nothing in it is executed when it is loaded, and everything in it is checked: a file that is cut
// short, has a flipped bit, or was made up, is an Error with the file's path, the member and what was expected there.
#pragma once

#include <string>
#include <vector>

#include "tracer/procedure.h"

namespace kiln::jit::package {

struct Entry {
  std::string name;  // "predict", "train"
  tracer::Procedure procedure;
};

struct Package {
  std::vector<Entry> entries;  // names are unique
  std::vector<tracer::StateEntry> state;
};

// Writes the file, or leaves what was there: a full disk, for one, is Error{io} and changes nothing. Error{value} where the package does not
// hold together (tracer::verify) or holds what a file cannot.
void save(const Package&, const std::string& path);

// Error{io}: no such file, or one that is truncated, corrupt or foreign. Error{value}: a file of a newer format or with operators that this
// build does not have, or one whose contents do not hold together. Allocates at most four times the file's size and 1 MiB. The state's
// bytes stay in the file until they are used: they are mapped, privately, so that writes to them never reach it.
Package load(const std::string& path);

}  // namespace kiln::jit::package
