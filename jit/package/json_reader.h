// Reads JSON (RFC 8259) as a text whose shape is known: the caller says what comes next, and anything else is Error{value} with its place.
//
// A reader that is asked, rather than a tree of values or a list of events, because a file must not make its reader allocate: "0," is two
// characters, and a node or token for it would be eight times that. Here nothing is made but what the caller keeps, and that is charged to
// the budget first. Objects have their keys in one order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jit/package/budget.h"

namespace kiln::jit::package {

class JsonReader {
 public:
  JsonReader(std::string_view text, Budget& budget) : text_(text), budget_(budget) {}

  void open(char bracket);
  void close(char bracket);
  void key(std::string_view name);  // the next key of an object: it must be this one
  std::string any_key();
  bool more(char bracket);  // does another key or element follow, before this closing bracket?
  void end();               // nothing follows

  // The next value, or in an array the next element. peek(): its first character, '0' for any number.
  char peek();
  std::string text();
  int64_t integer();
  bool is_integer();        // a number: is it written as one?
  double floating();        // what JsonWriter::floating() writes
  double named_floating();  // of that, what stands behind the key "float"
  bool boolean();
  void null();

  // An array, an element at a time: each(the new element of `out`).
  template <class T, class F>
  void list(std::vector<T>& out, const F& each) {
    open('[');
    const size_t n = count();
    budget_.charge(n, sizeof(T));
    out.reserve(n);
    while (more(']')) each(out.emplace_back());
    close(']');
  }

  size_t count() const;  // elements or keys inside the bracket that was just opened

  [[noreturn]] void bad(const std::string& what) const;
  Budget& budget() { return budget_; }

 private:
  void skip();
  void element();  // the comma before a value, where one belongs
  std::string_view number();
  std::string quoted();
  unsigned hex4();
  void escape(std::string& out);

  std::string_view text_;
  size_t at_ = 0;
  bool first_ = true;     // just behind an opening bracket
  bool in_value_ = true;  // behind a key, or at the very beginning: no comma
  Budget& budget_;
};

}  // namespace kiln::jit::package
