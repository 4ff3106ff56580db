#include "tracer/never_computed.h"

#include "eager/dispatch.h"

namespace kiln::tracer {
namespace {

class NeverComputed final : public eager::Recorder {
 public:
  bool record(const eager::Operator&, const eager::Arguments&, std::span<const eager::TensorType>, eager::Tensor*) override {
    return false;
  }
  bool record_write(const eager::Tensor&, const eager::Operand&) override { return false; }
  void flush(eager::FlushReason) override {
    fail(ErrorCode::runtime,
         "this tensor was made while a function was being exported, and has no value; what an exported function keeps "
         "must be returned");
  }
};

}  // namespace

void claim_for_ever(eager::Storage& s) {
  static NeverComputed never;
  if (s.raw() == nullptr && s.bytes() > 0 && s.claim(&never, 0)) s.set_pending_writes();
}

}  // namespace kiln::tracer
