// kiln::jit: each call is a segment scope of the tracer (tracer/recorder.h).
#include <kiln/jit.h>

#include <cstdlib>

#include "codegen/compiler.h"
#include "eager/dispatch.h"
#include "tracer/explain.h"
#include "tracer/program_cache.h"
#include "tracer/recorder.h"

namespace kiln::detail {

class CapturedFunction {
 public:
  explicit CapturedFunction(std::string name) : record(std::make_shared<tracer::FunctionRecord>(std::move(name))) {}
  const std::shared_ptr<tracer::FunctionRecord> record;
  std::optional<codegen::BackendKind> backend;  // nothing: chosen automatically
};

struct CapturedCall::Scopes {
  explicit Scopes(const CapturedFunction& f) : backend(f.backend), segment(f.record) {}
  codegen::BackendScope backend;
  tracer::SegmentScope segment;
};

namespace {

bool switched_off() {
  static const bool off = [] {
    const char* variable = std::getenv("KILN_JIT");
    return variable != nullptr && std::string_view(variable) == "0";
  }();
  return off;
}

std::string name_of(const std::source_location& where) {
  const std::string_view file = where.file_name();
  return "function at " + std::string(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(where.line());
}

}  // namespace

CapturedCall::CapturedCall(CapturedFunction& f) : scopes_(switched_off() ? nullptr : new (place_) Scopes(f)) {
  static_assert(sizeof(Scopes) <= sizeof place_ && alignof(Scopes) <= alignof(void*));
}

CapturedCall::~CapturedCall() {
  if (!scopes_) return;
  try {
    scopes_->segment.end(eager::FlushReason::exception);
  } catch (...) {
    // The function's own exception is on its way. The values stay pending; whoever reads them gets this error.
  }
  std::destroy_at(scopes_);
}

void CapturedCall::end() {
  if (scopes_) scopes_->segment.end(eager::FlushReason::function_end);
}

std::shared_ptr<CapturedFunction> captured(const JitOptions& options, const std::source_location& where) {
  auto made = std::make_shared<CapturedFunction>(options.name.empty() ? name_of(where) : std::string(options.name));
  made->backend = codegen::backend_named(options.backend);
  made->record->full_graph = options.fullgraph;
  return made;
}

std::string explain(const CapturedFunction& f) { return tracer::explain(*f.record) + "\n"; }

std::string lowered(const CapturedFunction& f, std::string_view form) {
  std::string text;
  for (const tracer::TraceRecord& t : f.record->traces()) text += t.program->text(form);
  return text;
}

void clear(CapturedFunction& f) {
  f.record->clear();
  tracer::ProgramCache::instance().clear();
}

}  // namespace kiln::detail
