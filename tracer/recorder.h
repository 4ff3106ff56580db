// Segments: inside a captured function, operators are written down instead of run, and run fused when something needs a value.
//
// One recorder serves a thread. It owns the memory-less storages of results, notes which existing storages are read or written, and at a
// flush finds (or compiles) the program of what was recorded and runs it. Nothing here can be stale: Python ran every line.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "eager/dispatch.h"
#include "tracer/function_record.h"
#include "tracer/program_cache.h"
#include "tracer/segment_words.h"

namespace kiln::tracer {

// What a flush ran, for running it again on other storages without recording it.
struct KeptSegment {
  std::shared_ptr<const Program> program;
  std::vector<eager::Scalar> scalars;
  struct Bound {
    const eager::Storage* storage;  // only to be compared: it may be gone
    int64_t bytes;
    bool leaf;        // was there before
    uint32_t writes;  // in place, each a version
    bool visible;     // did anybody but the recorder hold it
  };
  std::vector<Bound> storages;
};

class SegmentRecorder final : public eager::Recorder {
 public:
  SegmentRecorder() = default;
  ~SegmentRecorder() override;

  bool record(const eager::Operator&, const eager::Arguments&, std::span<const eager::TensorType> types, eager::Tensor* outputs) override;
  bool record_again(const eager::Operator&, std::span<const eager::Operand>, eager::Tensor& output) override;
  bool record_write(const eager::Tensor& destination, const eager::Operand& source) override;
  void flush(eager::FlushReason) override;

  size_t pending() const { return words_.calls(); }
  // While on, a trial, what could not be taken back fails before it happens: a write to memory that was there before the trial, run for a value
  // that somebody needs (Error{runtime}). discard() takes everything pending back; tensors that were made meanwhile never get values.
  void set_revocable(bool on);
  void discard();
  uint64_t runs() const { return runs_; }                   // programs run so far
  uint64_t compiles() const { return compiles_; }           // of them, those that were compiled first
  int64_t pending_bytes() const { return pending_bytes_; }  // of results that are pending
  size_t scalars() const { return scalars_.size(); }        // numbers that pending calls take
  void keep_next(KeptSegment* kept) { keep_ = kept; }       // filled by the next flush that runs one
  void set_function(std::shared_ptr<FunctionRecord>);

 private:
  struct Entry {
    eager::Ref<eager::Storage> storage;
    int64_t leaf_bytes;  // -1: made by a recorded call
    uint32_t writes = 0;
  };
  uint32_t slot_of(eager::Storage& s) { return s.recorder() == this ? s.slot() : new_slot_of(s); }
  uint32_t new_slot_of(eager::Storage&);
  void claim_for_writing(eager::Storage&);
  void add_operand(const eager::Operand&);
  void add_output(eager::Storage&);
  eager::Operand snapshot_if_shared(const eager::Operand&, bool* run_now);
  void check_limit();
  void note_line();
  void refuse_if_full_graph(eager::FlushReason) const;
  void refuse_if_revocable() const;
  void forget();
  void find_program(double* compile_ms);  // into last_

  std::recursive_mutex mutex_;  // another thread may ask for a value of ours
  SegmentWords words_;
  std::vector<Entry> storages_;
  std::unordered_map<eager::Storage*, uint32_t> borrowed_;  // storages that another recorder has claimed and only reads, as we do
  std::vector<eager::Scalar> scalars_;
  // Of the flush that is under way; kept for their memory.
  std::vector<uint64_t> key_, rest_;  // the whole of it, and what follows the words
  std::vector<char> visible_;
  std::vector<eager::Storage*> bound_;
  bool revocable_ = false;
  uint64_t trial_ = 0;  // which trial it is, of all in the process
  uint64_t runs_ = 0, compiles_ = 0;
  int64_t pending_bytes_ = 0;
  KeptSegment* keep_ = nullptr;
  bool writes_leaves_ = false;  // is a write to a storage that was there before pending?
  std::shared_ptr<FunctionRecord> function_;
  bool notes_lines_ = false;
  std::vector<std::string> lines_;       // of the pending calls, if they are noted
  std::shared_ptr<const Program> last_;  // of the segment before, with the rest of its key, and the cache's age then
  std::vector<uint64_t> last_rest_;
  uint64_t last_clearings_ = 0;
  bool last_ran_ = false;  // is it the program of the segment that words_ keeps
};

SegmentRecorder& thread_recorder();  // this thread's own
bool in_captured_call();             // is a scope open on this thread?

// The scope of one captured call on this thread. Scopes nest: only the outermost flushes at its end. Inside an export they do nothing.
class SegmentScope {
 public:
  explicit SegmentScope(std::shared_ptr<FunctionRecord>);
  ~SegmentScope();               // flushes if end() did not; errors are swallowed only then
  void end(eager::FlushReason);  // throws what running the pending work throws
  // The recorder, where this call may be tried and taken back: the scope is the outermost one and nothing is pending. Else nullptr.
  SegmentRecorder* trial() const;
  SegmentScope(const SegmentScope&) = delete;

 private:
  bool outermost_ = false;
  bool open_ = true;
};

}  // namespace kiln::tracer
