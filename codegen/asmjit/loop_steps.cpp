#include "codegen/asmjit/loop_steps.h"

#include <algorithm>

namespace kiln::codegen::x64 {

using namespace asmjit::x86;
using asmjit::imm;
using Kind = KernelLoop::Step::Kind;

namespace {

constexpr Gp kArgs = rdi, kNumbers = rsi, kPlaces = rdx, kPointers = r9;  // r8 and r9 are kInner and kEnd, of which a run makes new ones

bool fits_immediate(int64_t v) { return v == static_cast<int32_t>(v); }

bool is_comparison(Kind k) { return k >= Kind::less && k <= Kind::greater_equal; }

}  // namespace

bool LoopSteps::covers(const KernelLoop& loop, const Allocation& allocation) {
  const bool converts = std::ranges::any_of(loop.steps, [](const Step& s) {
    return (s.kind == Kind::item && is_floating(s.dtype)) ||
           ((s.kind == Kind::add || s.kind == Kind::subtract || s.kind == Kind::multiply || is_comparison(s.kind)) &&
            s.dtype == DType::F64);
  });
  return !converts || std::ranges::none_of(allocation.pinned, [](uint8_t reg) { return reg == 0; });
}

Mem LoopSteps::number(uint32_t n) const { return qword_ptr(kNumbers, static_cast<int>(8 * n)); }
Mem LoopSteps::place(uint32_t p) { return qword_ptr(kPlaces, static_cast<int>(8 * p)); }

void LoopSteps::emit(const Label& again) {
  again_ = again;
  for (size_t n = 0; n < loop_.steps.size(); ++n) labels_.push_back(a_.newLabel());
  a_.mov(kArgs, Emitter::word(e_.args));
  a_.mov(kNumbers, qword_ptr(kArgs, offsetof(KernelLoopArgs, numbers)));
  a_.mov(kPlaces, qword_ptr(kArgs, offsetof(KernelLoopArgs, places)));
  for (size_t n = 0; n < loop_.steps.size(); ++n) step(n);
  for (const auto& [label, at] : exits_) {
    a_.bind(label);
    end(at);
  }
}

void LoopSteps::step(size_t at) {
  const Step& s = loop_.steps[at];
  a_.bind(labels_[at]);
  switch (s.kind) {
    case Kind::item:
    case Kind::truth: item(s); break;
    case Kind::add:
    case Kind::subtract:
    case Kind::multiply: {
      if (s.dtype == DType::F64) {
        floating(s);
        break;
      }
      exits_.emplace_back(a_.newLabel(), at);
      integer(s, exits_.back().first);
      break;
    }
    case Kind::less:
    case Kind::less_equal:
    case Kind::equal:
    case Kind::not_equal:
    case Kind::greater:
    case Kind::greater_equal: compare(s); break;
    case Kind::range: range(s, at); break;
    case Kind::check: check(s); break;
    case Kind::back: back(at); return;
    case Kind::end: end(at); return;
  }
  go_to(s.next, at);
}

void LoopSteps::go_to(int32_t at, size_t from) {
  if (static_cast<size_t>(at) != from + 1) a_.jmp(labels_[static_cast<size_t>(at)]);
}

void LoopSteps::load(const Gp& to, const KernelLoop::Value& v) {
  if (v.number) a_.mov(to, number(*v.number));
  else a_.mov(to, imm(v.constant));
}

void LoopSteps::item(const Step& s) {
  a_.mov(rcx, place(s.place));
  const int offset = static_cast<int>(s.offset);
  switch (s.dtype) {
    case DType::Bool: a_.movzx(eax, byte_ptr(rcx, offset)); break;
    case DType::I32: a_.movsxd(rax, dword_ptr(rcx, offset)); break;
    case DType::F32:
      a_.vxorps(xmm0, xmm0, xmm0);
      a_.vcvtss2sd(xmm0, xmm0, dword_ptr(rcx, offset));
      a_.vmovsd(number(s.result), xmm0);
      return;
    default: a_.mov(rax, qword_ptr(rcx, offset));  // I64, F64
  }
  a_.mov(number(s.result), rax);
}

void LoopSteps::integer(const Step& s, const Label& overflow) {
  load(rax, s.x);
  load(rcx, s.y);
  if (s.kind == Kind::add) a_.add(rax, rcx);
  else if (s.kind == Kind::subtract) a_.sub(rax, rcx);
  else a_.imul(rax, rcx);
  a_.jo(overflow);
  a_.mov(number(s.result), rax);
}

void LoopSteps::floating(const Step& s) {
  load(rax, s.x);
  load(rcx, s.y);
  a_.vmovq(xmm0, rax);
  a_.mov(number(s.result), rcx);
  const Mem y = number(s.result);
  if (s.kind == Kind::add) a_.vaddsd(xmm0, xmm0, y);
  else if (s.kind == Kind::subtract) a_.vsubsd(xmm0, xmm0, y);
  else a_.vmulsd(xmm0, xmm0, y);
  a_.vmovsd(number(s.result), xmm0);
}

// Comparisons with a NaN are false, but that it is unequal: "above" is false of what is unordered, "below" is true.
void LoopSteps::compare(const Step& s) {
  const bool turned = s.dtype == DType::F64 && (s.kind == Kind::less || s.kind == Kind::less_equal);
  load(rax, turned ? s.y : s.x);
  load(rcx, turned ? s.x : s.y);
  if (s.dtype == DType::F64) {
    a_.vmovq(xmm0, rax);
    a_.mov(number(s.result), rcx);
    a_.vucomisd(xmm0, number(s.result));
    switch (s.kind) {
      case Kind::less:
      case Kind::greater: a_.seta(al); break;
      case Kind::less_equal:
      case Kind::greater_equal: a_.setae(al); break;
      case Kind::equal:
        a_.sete(al);
        a_.setnp(cl);
        a_.and_(al, cl);
        break;
      default:
        a_.setne(al);
        a_.setp(cl);
        a_.or_(al, cl);
    }
  } else {
    a_.cmp(rax, rcx);
    switch (s.kind) {
      case Kind::less: a_.setl(al); break;
      case Kind::less_equal: a_.setle(al); break;
      case Kind::equal: a_.sete(al); break;
      case Kind::not_equal: a_.setne(al); break;
      case Kind::greater: a_.setg(al); break;
      default: a_.setge(al);
    }
  }
  a_.movzx(eax, al);
  a_.mov(number(s.result), rax);
}

// In one comparison: what is below the first is above the last, without a sign.
void LoopSteps::range(const Step& s, size_t at) {
  exits_.emplace_back(a_.newLabel(), at);
  load(rax, s.x);
  a_.mov(rcx, imm(s.first));
  a_.sub(rax, rcx);
  a_.mov(rcx, imm(s.last - s.first));
  a_.cmp(rax, rcx);
  a_.ja(exits_.back().first);
}

void LoopSteps::check(const Step& s) {
  const Label& otherwise = labels_[static_cast<size_t>(s.otherwise)];
  if (fits_immediate(s.y.constant)) {
    a_.cmp(number(*s.x.number), imm(s.y.constant));
  } else {
    a_.mov(rax, imm(s.y.constant));
    a_.cmp(number(*s.x.number), rax);
  }
  a_.jne(otherwise);
}

void LoopSteps::back(size_t at) {
  const Step& s = loop_.steps[at];
  for (const auto& [to, from] : s.numbers) {
    load(rax, from);
    a_.mov(number(to), rax);
  }
  exchange(s);
  a_.dec(qword_ptr(kArgs, offsetof(KernelLoopArgs, left)));
  a_.jnz(again_);
  end(at);
}

// Along each cycle of the permutation, with the pointers of buffers that lie there.
void LoopSteps::exchange(const Step& s) {
  if (s.places.empty()) return;
  a_.mov(kPointers, qword_ptr(kArgs, offsetof(KernelLoopArgs, args) + offsetof(Args, pointers)));
  const auto put = [&](uint32_t p, const Gp& address) {
    a_.mov(place(p), address);
    for (size_t b = 0; b < loop_.buffers.size(); ++b) {
      if (loop_.buffers[b].place != p) continue;
      Gp at = address;
      if (loop_.buffers[b].offset != 0) {
        a_.lea(r8, ptr(address, static_cast<int>(loop_.buffers[b].offset)));
        at = r8;
      }
      a_.mov(qword_ptr(kPointers, static_cast<int>(8 * b)), at);
    }
  };
  std::vector<bool> done(s.places.size());
  for (size_t first = 0; first < s.places.size(); ++first) {
    if (done[first]) continue;
    const uint32_t begin = s.places[first].first;
    a_.mov(rcx, place(begin));
    for (size_t n = first;;) {
      done[n] = true;
      const auto [to, from] = s.places[n];
      if (from == begin) {
        put(to, rcx);
        break;
      }
      a_.mov(rax, place(from));
      put(to, rax);
      n = static_cast<size_t>(std::ranges::find(s.places, from, &std::pair<uint32_t, uint32_t>::first) - s.places.begin());
    }
  }
}

void LoopSteps::end(size_t at) {
  a_.mov(qword_ptr(kArgs, offsetof(KernelLoopArgs, ended)), imm(static_cast<int32_t>(at)));
  e_.return_with(0);
}

}  // namespace kiln::codegen::x64
