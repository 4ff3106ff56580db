#include "tracer/function_record.h"

#include <algorithm>

#include "tracer/front_end.h"

namespace kiln::tracer {
namespace {

std::string source_location() { return front_end().source_location ? front_end().source_location() : std::string(); }

}  // namespace

void FunctionRecord::note_run(const std::shared_ptr<const Program>& program, eager::FlushReason reason, double first_compile_ms) {
  std::lock_guard lock(mutex_);
  compile_ms_ += first_compile_ms;
  if (last_ < traces_.size() && traces_[last_].program == program && traces_[last_].flushes.front().reason == reason) {
    ++traces_[last_].runs;
    ++traces_[last_].flushes.front().count;
    return;
  }
  const auto [at, added] = trace_of_.try_emplace(program.get(), traces_.size());
  if (added && traces_.size() == kMaxTraces) {
    trace_of_.erase(at);
    ++untold_runs_;
    return;
  }
  if (added) {
    traces_.push_back({program, 0, {}, {}});
    wants_lines_.store(true, std::memory_order_relaxed);
  }
  last_ = at->second;
  TraceRecord* trace = &traces_[last_];
  ++trace->runs;
  auto flush = std::find_if(trace->flushes.begin(), trace->flushes.end(), [&](const Flush& f) { return f.reason == reason; });
  if (flush == trace->flushes.end()) {
    // The first flush for a reason names its line; asking at each would cost more than the flush.
    const std::string where = reason == eager::FlushReason::function_end ? std::string() : source_location();
    flush = trace->flushes.insert(trace->flushes.end(), Flush{reason, where, 0});
  }
  ++flush->count;
}

bool FunctionRecord::note_lines(const std::shared_ptr<const Program>& program, std::vector<std::string> lines) {
  std::lock_guard lock(mutex_);
  const auto at = trace_of_.find(program.get());
  if (at == trace_of_.end() || !traces_[at->second].lines.empty()) return false;
  traces_[at->second].lines = std::move(lines);
  return true;
}

void FunctionRecord::note_fallback(const std::string& reason) {
  std::lock_guard lock(mutex_);
  ++fallbacks_[reason];
}

std::vector<TraceRecord> FunctionRecord::traces() const {
  std::lock_guard lock(mutex_);
  return traces_;
}

uint64_t FunctionRecord::untold_runs() const {
  std::lock_guard lock(mutex_);
  return untold_runs_;
}

std::map<std::string, uint64_t> FunctionRecord::fallbacks() const {
  std::lock_guard lock(mutex_);
  return fallbacks_;
}

double FunctionRecord::compile_ms() const {
  std::lock_guard lock(mutex_);
  return compile_ms_;
}

void FunctionRecord::clear() {
  std::lock_guard lock(mutex_);
  for (const TraceRecord& trace : traces_) trace.program->forsake();
  traces_.clear();
  trace_of_.clear();
  untold_runs_ = 0;
  fallbacks_.clear();
  compile_ms_ = 0;
  wants_lines_ = true;
}

}  // namespace kiln::tracer
