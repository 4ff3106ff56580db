// kiln_math_check: every f32 input of every math function, and many f64 ones; see script/math-check.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cpp/math/check.h"

namespace kiln::codegen::testing {
namespace {

constexpr const char* kUsage = R"(usage: kiln_math_check [OPTIONS] [FUNCTION...]
  --every N      take every N-th f32 input (or pair) only; default 1
  --samples N    f64 inputs; default 200000
  --results FILE keep each function's row there, and skip what it has for the same kernels and numbers; default none
  --list         name the functions
The table goes to standard output, progress to standard error. Exit status 1 if any bound is broken.
)";

struct Options {
  uint64_t every = 1;
  int64_t samples = 200'000;
  std::string results;
  std::vector<std::string> names;
};

std::string number(double v) {
  char text[64];
  std::snprintf(text, sizeof text, "%.9g", v);
  return text;
}

std::string place(const Function& f, const Worst& w, int digits) {
  char text[96];
  if (f.unary) {
    std::snprintf(text, sizeof text, "%.*g", digits, w.x);
  } else {
    std::snprintf(text, sizeof text, "%.*g, %.*g", digits, w.x, digits, w.y);
  }
  return text;
}

void show_progress(double done) {
  if (isatty(2)) std::fprintf(stderr, "\r  f32 %3.0f %%", 100 * done);
}

// One row of the table, and whether it is within its bounds.
std::pair<std::string, bool> row(const Function& f, const Options& options) {
  std::fprintf(stderr, "%s\n", f.name);
  const Sweep narrow = sweep_f32(f, options.every, show_progress);
  if (isatty(2)) std::fprintf(stderr, "\r                \r");
  const Sweep wide = sweep_f64(f, options.samples);
  const std::vector<Wrong> wrong = check_boundaries(f);
  for (const Wrong& w : std::span(wrong).first(std::min<size_t>(wrong.size(), 5)))
    std::fprintf(stderr, "  %s boundary: %g ulp at %s\n", name_of(w.dtype).data(), w.at.ulps, place(f, w.at, 17).c_str());
  std::ostringstream text;
  text.precision(3);
  text << std::fixed << "| `" << f.name << "` | " << narrow.inputs << (f.unary ? "" : " pairs") << " | " << narrow.worst.ulps << " | "
       << place(f, narrow.worst, 9) << " | " << wide.inputs << " | " << wide.worst.ulps << " | " << place(f, wide.worst, 17) << " | "
       << (wrong.empty() ? "all right" : std::to_string(wrong.size()) + " wrong") << " |";
  const bool good = narrow.worst.ulps <= f.most_ulps_f32() && wide.worst.ulps <= f.most_ulps_f64() && wrong.empty();
  std::fprintf(stderr, "  %s%s (the f32 oracle: within %s ulp of MPFR)\n", text.str().c_str(), good ? "" : "  OUT OF BOUNDS",
               number(narrow.oracle_ulps).c_str());
  return {text.str(), good};
}

std::string key(const Function& f, const Options& options) {
  return std::string(f.name) + ' ' + std::to_string(options.every) + ' ' + std::to_string(options.samples) + ' ' +
         Evaluator(f, DType::F32).fingerprint() + ' ' + Evaluator(f, DType::F64).fingerprint();
}

// Rows of earlier runs, by key; only those within their bounds are kept.
std::map<std::string, std::string> read_results(const std::string& path) {
  std::map<std::string, std::string> rows;
  std::ifstream file(path);
  for (std::string key, row; std::getline(file, key) && std::getline(file, row);) rows[key] = row;
  return rows;
}

int run(const Options& options) {
  std::map<std::string, std::string> known = read_results(options.results);
  bool all_good = true;
  std::vector<std::string> rows;
  for (const Function& f : functions()) {
    if (!options.names.empty() && std::find(options.names.begin(), options.names.end(), f.name) == options.names.end()) continue;
    const std::string k = key(f, options);
    if (!known.count(k)) {
      const auto [text, good] = row(f, options);
      all_good &= good;
      known[k] = text;
      if (good && !options.results.empty()) std::ofstream(options.results, std::ios::app) << k << '\n' << text << std::endl;
    }
    rows.push_back(known[k]);
  }
  std::cout << "| function | f32 inputs | worst ulp | at | f64 samples | worst ulp | at | boundary cases |\n"
               "|---|---|---|---|---|---|---|---|\n";
  for (const std::string& text : rows) std::cout << text << '\n';
  return all_good ? 0 : 1;
}

}  // namespace
}  // namespace kiln::codegen::testing

int main(int argc, char** argv) {
  using namespace kiln::codegen::testing;
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool takes_value = word == "--every" || word == "--samples" || word == "--results";
    if (word == "--list") {
      for (const Function& f : functions()) std::puts(f.name);
      return 0;
    }
    if (word.starts_with("-") && (!takes_value || i + 1 == argc)) {
      std::fputs(kUsage, word == "--help" ? stdout : stderr);
      return word == "--help" ? 0 : 2;
    }
    if (word == "--every") {
      options.every = std::max(1ull, std::strtoull(argv[++i], nullptr, 10)) | 1;  // odd, so that all low bits occur
    } else if (word == "--samples") {
      options.samples = std::max(1ll, std::strtoll(argv[++i], nullptr, 10));
    } else if (word == "--results") {
      options.results = argv[++i];
    } else if (std::none_of(functions().begin(), functions().end(), [&](const Function& f) { return word == f.name; })) {
      std::fprintf(stderr, "there is no function %s; --list names them\n", word.c_str());
      return 2;
    } else {
      options.names.push_back(word);
    }
  }
  return run(options);
}
