// What `prepare` leaves for `launch`, which knows nothing of Kiln: kernels as CUBIN, how to launch them, what is in memory before, and what
// the interpreter left there. One file of little-endian words and length-prefixed bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::benchmark {

inline constexpr uint64_t kMagic = 0x31616475636e6b;  // "kncuda1"

// Memory of a program: given bytes, or `bytes` of f32 that fill() makes.
struct Arena {
  uint64_t bytes = 0;
  uint64_t offset = 0;    // of its first byte from an address that is a multiple of 256
  std::string content;    // what is there first; empty: filled
  uint64_t seed = 0;      // of the filling; 0: zeros
  uint64_t expected = 0;  // hash of what the interpreter leaves there; 0: not looked at
};

struct Step {
  std::string cubin;
  uint32_t grid, block_x, block_y, shared_bytes;
  std::string parameters;          // the words of the buffers' pointers, which come first, are filled in
  std::vector<uint64_t> pointers;  // per buffer: arena << 40 | byte offset
};

struct Program {
  std::string name;
  std::string text;    // the kernels, for people
  uint64_t moved = 0;  // bytes that the work cannot avoid to read or write; 0: not timed
  std::vector<Arena> arenas;
  std::vector<Step> steps;
};

// Floats in [-4, 4), a function of seed and index alone.
inline void fill(float* to, uint64_t n, uint64_t seed) {
  for (uint64_t i = 0; i < n; ++i) {
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u + seed * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    to[i] = seed == 0 ? 0.0f : static_cast<float>(static_cast<int64_t>(z >> 40) - (int64_t{1} << 23)) * 0x1p-21f;
  }
}

// Over 8-byte words, so that it costs little beside copying; the last one is padded. Never 0.
inline uint64_t hash(const void* data, uint64_t bytes) {
  uint64_t h = 0x9e3779b97f4a7c15u + bytes;
  const auto* at = static_cast<const unsigned char*>(data);
  for (uint64_t i = 0; i < bytes; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, at + i, bytes - i < 8 ? bytes - i : 8);
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h == 0 ? 1 : h;
}

// -- The file ---------------------------------------------------------------------------------------------------------------------------

class Writer {
 public:
  void word(uint64_t w) { out.append(reinterpret_cast<const char*>(&w), sizeof w); }
  void bytes(const std::string& s) {
    word(s.size());
    out += s;
  }
  std::string out;
};

class Reader {
 public:
  explicit Reader(std::string_view data) : data_(data) {}
  uint64_t word() {
    uint64_t w;
    std::memcpy(&w, take(sizeof w), sizeof w);
    return w;
  }
  std::string bytes() {
    const uint64_t n = word();
    const char* at = take(n);
    return std::string(at, n);
  }
  uint64_t count() {  // of things that take at least a byte each
    const uint64_t n = word();
    if (n > data_.size()) throw std::runtime_error("the file of prepared work is damaged");
    return n;
  }

 private:
  const char* take(uint64_t n) {
    if (n > data_.size() - at_) throw std::runtime_error("the file of prepared work is truncated");
    at_ += n;
    return data_.data() + at_ - n;
  }
  std::string_view data_;
  uint64_t at_ = 0;
};

struct Work {
  uint64_t architecture = 0;  // 90 for sm_90
  std::vector<Program> programs;

  std::string write() const {
    Writer w;
    w.word(kMagic);
    w.word(architecture);
    w.word(programs.size());
    for (const Program& p : programs) {
      w.bytes(p.name);
      w.bytes(p.text);
      w.word(p.moved);
      w.word(p.arenas.size());
      for (const Arena& a : p.arenas) {
        for (uint64_t word : {a.bytes, a.offset, a.seed, a.expected}) w.word(word);
        w.bytes(a.content);
      }
      w.word(p.steps.size());
      for (const Step& s : p.steps) {
        w.bytes(s.cubin);
        for (uint64_t word : {s.grid, s.block_x, s.block_y, s.shared_bytes}) w.word(word);
        w.bytes(s.parameters);
        w.word(s.pointers.size());
        for (uint64_t pointer : s.pointers) w.word(pointer);
      }
    }
    return std::move(w.out);
  }

  static Work read(std::string_view data) {
    Reader r(data);
    if (r.word() != kMagic) throw std::runtime_error("this is no file of prepared work");
    Work work;
    work.architecture = r.word();
    work.programs.resize(r.count());
    for (Program& p : work.programs) {
      p.name = r.bytes();
      p.text = r.bytes();
      p.moved = r.word();
      p.arenas.resize(r.count());
      for (Arena& a : p.arenas) {
        a.bytes = r.word(), a.offset = r.word(), a.seed = r.word(), a.expected = r.word();
        a.content = r.bytes();
      }
      p.steps.resize(r.count());
      for (Step& s : p.steps) {
        s.cubin = r.bytes();
        s.grid = static_cast<uint32_t>(r.word()), s.block_x = static_cast<uint32_t>(r.word());
        s.block_y = static_cast<uint32_t>(r.word()), s.shared_bytes = static_cast<uint32_t>(r.word());
        s.parameters = r.bytes();
        s.pointers.resize(r.count());
        for (uint64_t& pointer : s.pointers) {
          pointer = r.word();
          if ((pointer >> 40) >= p.arenas.size()) throw std::runtime_error("the file of prepared work is damaged");
        }
        if (s.parameters.size() < 8 * s.pointers.size()) throw std::runtime_error("the file of prepared work is damaged");
      }
    }
    return work;
  }
};

}  // namespace kiln::benchmark
