// What the checks of a frozen replay come to, as words of memory. A check of Python's state is a function of what some words hold: an object's
// class, the version of a class or dict, a cell, a place in a list. While all of them hold what they held, all checks would pass again and
// all reads would find what they found; so the words are compared, each once for all checks that depend on it, and no check is run.
//
// A word is in an object that is alive while the words before it hold, since those lead to it; so words are compared in their order. Between
// them no code of Python's runs. What a place held is not kept alive: that the same address is there suffices for what is checked by address,
// and where an object's content decides, either a version says that it never left its place or the content is a word too.
//
// Checks that cannot be put so, and those of words that change all the time, are run as before, behind the words. Where a word changed and the
// checks still pass, another witness is made.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "python/bindings/replay.h"

namespace kiln::python {

struct FrozenReplay;  // replay_frozen.h

// Where to look: an address and nullptr; a dict and a key; nullptr and the number of an argument.
using WitnessPlace = std::pair<const void*, const void*>;

class Witness {
 public:
  struct Given {
    int32_t number;    // a register
    PyObject* object;  // borrowed, alive as long as the witness holds
  };
  // Would the checks pass? `args`: the call's.
  bool holds(PyObject* args) const;
  const std::vector<Given>& given() const { return given_; }                   // while it holds
  const std::vector<const ReplayInstruction*>& rest() const { return rest_; }  // checks that are still to be run, and arithmetic
  size_t words() const { return arguments_.size() + entries_.size(); }
  mutable uint64_t hits = 0;  // how often it held

 private:
  friend class WitnessMaker;
  enum class Kind : uint8_t { word, half, item };
  struct Entry {
    const void* at;  // item: a dict
    uint64_t expected;
    PyObject* key;  // item: a constant string of the tree's
    Kind kind;
  };
  std::vector<std::pair<Py_ssize_t, PyObject*>> arguments_;  // by position, which are these objects
  std::vector<Entry> entries_;
  std::vector<Given> given_;
  std::vector<const ReplayInstruction*> rest_;
};

// The newest witness of a frozen replay, and what it took to get it.
class Witnesses {
 public:
  const std::shared_ptr<const Witness>& newest() const { return newest_; }
  // The checks have passed, without a witness that says so. Does nothing where too many of them were made in vain.
  void renew(const ReplayTree&, const FrozenReplay&, PyObject* args);

 private:
  std::shared_ptr<const Witness> newest_;
  std::map<WitnessPlace, uint64_t> places_;  // that the newest one looked at, and what was there
  std::map<WitnessPlace, int> changes_;      // of a place: how often another witness saw something else there
  int left_ = 10;
};

}  // namespace kiln::python
