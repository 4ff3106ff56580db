#include "tracer/valueless_recorder.h"

#include "tracer/ambient.h"
#include "tracer/front_end.h"
#include "tracer/never_computed.h"

namespace kiln::tracer {

using eager::Storage;
using eager::Tensor;

ValuelessRecorder::~ValuelessRecorder() {
  if (recording_) ValuelessRecorder::stop();
  for (const auto& storage : claimed_) {
    if (storage->recorder() != this) continue;
    storage->release_claim();
    claim_for_ever(*storage);
  }
}

void ValuelessRecorder::start() {
  leave_ambient();
  recorder_before_ = eager::current_recorder();
  eager::set_recorder(this);
  observer_before_ = eager::set_call_observer(this);
  recording_ = true;
}

void ValuelessRecorder::stop() {
  eager::set_recorder(recorder_before_);
  eager::set_call_observer(observer_before_);
  recording_ = false;
}

Tensor ValuelessRecorder::placeholder(const eager::TensorType& type) {
  Tensor t = Tensor::pending(type.shape, type.dtype);
  claim(t.storage());
  return t;
}

void ValuelessRecorder::claim(Storage& s) {
  if (s.recorder() == this) return;
  while (!s.claim(this, 0)) s.run_pending(eager::FlushReason::other_thread);
  s.set_pending_writes();
  claimed_.emplace_back(&s);
}

void ValuelessRecorder::refuse(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
  fail(ErrorCode::runtime, failure_);
}

std::optional<ValuelessRecorder::Number> ValuelessRecorder::number_of(const Tensor& t) const {
  const auto known = storages_.find(&t.storage());
  if (known == storages_.end()) return std::nullopt;
  for (const Window& w : known->second.windows)
    if (w.offset == t.offset() && w.shape == t.shape() && w.strides == t.strides() && w.dtype == t.dtype()) return w.number;
  return std::nullopt;
}

void ValuelessRecorder::know(const Tensor& t, Number number) {
  Known& known = storages_[&t.storage()];
  known.storage = eager::Ref<Storage>(&t.storage());
  known.windows.push_back({t.offset(), t.shape(), t.strides(), t.dtype(), number});
}

void ValuelessRecorder::renumber(std::span<const Number> by_old_number) {
  for (auto& [storage, known] : storages_)
    for (Window& w : known.windows) w.number = by_old_number[w.number];
}

std::string ValuelessRecorder::line() {
  if (!front_end().source_location) return {};
  std::string where = front_end().source_location();
  return where.substr(where.rfind('/') + 1);
}

std::string ValuelessRecorder::at_line() {
  const std::string where = line();
  return where.empty() ? "" : where + ": ";
}

std::string ValuelessRecorder::in_line() {
  const std::string where = line();
  return where.empty() ? "" : " (" + where + ")";
}

}  // namespace kiln::tracer
