#include "tracer/explain.h"

#include <cstdio>

namespace kiln::tracer {
namespace {

std::string decimal(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

std::string megabytes(int64_t bytes) { return decimal(static_cast<double>(bytes) / 1e6) + " MB"; }

std::string line_of(const Flush& f) {
  return "\n    ended early " + std::to_string(f.count) + " times" + (f.where.empty() ? "" : " at " + f.where) + ": " +
         std::string(eager::describe(f.reason));
}

std::string lines_of(const TraceRecord& trace, size_t number) {
  const ProgramInfo& p = trace.program->info();
  std::string lines = "\n  trace " + std::to_string(number) + ": " + std::to_string(trace.runs) + " runs, " + std::to_string(p.operations) +
                      " operators in " + std::to_string(p.kernels) + " kernels and " + std::to_string(p.contractions) + " contractions, " +
                      megabytes(p.arena_bytes) + " of temporaries (" + megabytes(p.live_bytes) + " at once at most) and " +
                      megabytes(p.scratch_bytes) + " of scratch" +
                      (p.lent_bytes > 0 ? ", " + megabytes(p.lent_bytes) + " in the memory of inputs that end here" : "") +
                      ", compiled in " + decimal(p.compile_ms) + " ms";
  if (p.contractions > 0)
    lines += "\n    outside contractions: " + megabytes(p.moved_bytes) + " read and written; " + megabytes(p.least_bytes) +
             " if all between two contractions were one kernel";
  const std::vector<double> times = trace.program->times();
  const std::vector<std::string> code = trace.program->code();
  for (size_t i = 0; i < p.steps.size(); ++i) {
    lines += "\n    " + p.steps[i];
    if (!times.empty()) lines += times[i] > 0 ? "; " + decimal(times[i] * 1e6) + " us" : "; with the line above";
    lines += "\n            " + p.reasons[i];
    if (i < code.size() && !code[i].empty()) lines += "\n            " + code[i];
  }
  for (const Flush& f : trace.flushes)
    if (f.reason != eager::FlushReason::function_end) lines += line_of(f);
  return lines;
}

}  // namespace

std::string explain(const FunctionRecord& f) {
  const std::vector<TraceRecord> traces = f.traces();
  std::string text = f.name + ": " + std::to_string(f.calls.load()) + " calls, " + std::to_string(traces.size()) + " traces, " +
                     decimal(f.compile_ms()) + " ms compiling";
  for (size_t i = 0; i < traces.size(); ++i) text += lines_of(traces[i], i);
  if (const uint64_t untold = f.untold_runs())
    text += "\n  " + std::to_string(untold) + " runs of further traces, of which nothing is kept: do shapes change at every call?";
  for (const auto& [reason, count] : f.fallbacks()) text += "\n  ran eagerly " + std::to_string(count) + " times: " + reason;
  return text;
}

}  // namespace kiln::tracer
