// What is known of one decorated function: its programs, why they ended, what they cost. explain() reads it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "eager/dispatch.h"
#include "tracer/program.h"

namespace kiln::tracer {

// One way a segment ended: where in the user's source, why, how often.
struct Flush {
  eager::FlushReason reason;
  std::string where;  // "file.py:12", empty at the function's end
  uint64_t count = 0;
};

struct TraceRecord {
  std::shared_ptr<const Program> program;
  uint64_t runs = 0;
  std::vector<Flush> flushes;
  std::vector<std::string> lines;  // of each recorded call: "file.py:12"; empty where they were not asked for
};

class FunctionRecord {
 public:
  explicit FunctionRecord(std::string name) : name(std::move(name)) {}
  ~FunctionRecord() { clear(); }
  FunctionRecord(const FunctionRecord&) = delete;
  const std::string name;
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> replays{0};  // of them, those that ran without the front end's language
  bool full_graph = false;           // a flush before the function's end is an error

  void note_run(const std::shared_ptr<const Program>&, eager::FlushReason, double first_compile_ms);
  // The lines of the calls of a program that ran. They are asked for at the first call of a function, and at the call after one that found a
  // program without lines: asking costs more than recording the call. False: they were known, and need not be asked for again.
  bool note_lines(const std::shared_ptr<const Program>&, std::vector<std::string> lines);
  bool take_wants_lines() { return wants_lines_.exchange(false, std::memory_order_relaxed); }
  void note_fallback(const std::string& reason);  // a call that ran undeferred, or an operator that did
  std::vector<TraceRecord> traces() const;        // in order of first use; the first kMaxTraces
  uint64_t untold_runs() const;                   // runs of later ones
  std::map<std::string, uint64_t> fallbacks() const;
  double compile_ms() const;
  void clear();  // its programs are not run for now (Program::forsake)

 private:
  // A function of ever new shapes must not be slowed or swollen by what is told of it.
  static constexpr size_t kMaxTraces = 128;

  mutable std::mutex mutex_;
  std::vector<TraceRecord> traces_;
  std::unordered_map<const Program*, size_t> trace_of_;
  size_t last_ = 0;  // the trace that ran last
  uint64_t untold_runs_ = 0;
  std::map<std::string, uint64_t> fallbacks_;
  double compile_ms_ = 0;
  std::atomic<bool> wants_lines_{true};
};

}  // namespace kiln::tracer
