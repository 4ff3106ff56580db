// Kernels that reduce the last dimension: in 32 lanes, which are the lanes of a warp, or purely pairwise.
#include "codegen/cuda/printer.h"

namespace kiln::codegen::cuda {

void Printer::lanes() {
  out_.line("const int thread = (int)threadIdx.x, lane = thread % 32, warps = (int)a.team / 32, warp = thread / 32 % warps;");
  out_.line("const int teams = (int)blockDim.x / (int)a.team, team = thread / (int)a.team;");
  out_.line("const i64 rows = " + outer_count() + ";");
  if (!keep_.values.empty()) out_.line("char* const kept = (char*)shared + " + std::to_string(kPartialBytes) + " + team * a.kept;");
  out_.open("for (i64 row = (i64)blockIdx.x * teams + team; row < rows; row += (i64)gridDim.x * teams)");
  outer_indices("row");
  pointers({});
  reduced_extent();
  for (int p = 0; p < schedule_.passes; ++p) {
    const Schedule::Pass& pass = schedule_.steps[static_cast<size_t>(p)];
    for (NodeId id : pass.once) node(id);
    if (!pass.stores_once.empty()) {  // one thread stores what all may have loaded
      out_.line("if (warps == 1) __syncwarp(); else __syncthreads();");
      out_.open("if (lane == 0 && warp == 0)");
      for (uint32_t s : pass.stores_once) store(s);
      out_.close();
    }
    if (!pass.loops()) continue;
    identities(pass, 'v');
    along_last_ = index_[static_cast<size_t>(last_)] = "at";
    bool keeps = false;  // does this pass write or read kept values
    for (const Kept& k : keep_.values) keeps = keeps || (k.first <= p && p <= k.last);
    out_.open(keeps ? "if (a.kept != 0)" : "");
    if (keeps) {
      lanes_loop(p, true);
      out_.otherwise();
    }
    lanes_loop(p, false);
    out_.close();
    along_last_.clear();
  }
  out_.close();
}

void Printer::lanes_loop(int p, bool keep) {
  const Schedule::Pass& pass = schedule_.steps[static_cast<size_t>(p)];
  const bool tree = kernel_.reduction == Reduction::tree;
  const std::string block = std::to_string(warp_block(kernel_.reduction));
  trees(pass, 't', kTreeLevels);
  out_.open("for (i64 first = 0; first < extent; first += warps * " + block + ")");
  out_.line("const i64 begin = first + warp * " + block + ", end = least(begin + " + block + ", extent);");
  if (tree) {
    trees(pass, 'w', 8);
    out_.open("for (i64 chunk = begin; chunk < end; chunk += 32)");
    out_.line("const i64 at = chunk + lane;");
    identities(pass, 'e');
    out_.open("if (at < end)");
  } else {
    identities(pass, 'e');
    out_.line(unroll(pass.loop.size()));
    out_.open("for (i64 at = begin + lane; at < end; at += 32)");
  }

  const auto slot = [&](const Kept& k) {
    const std::string offset = k.offset == 0 ? "" : " + a.extent[" + std::to_string(last_) + "] * " + std::to_string(k.offset);
    return "((" + type(k.node) + "*)(kept" + offset + "))[at]";
  };
  for (NodeId id : keep ? keep_.loop(kernel_, schedule_, p) : pass.loop) {
    const Kept* kept = keep ? keep_.find(id) : nullptr;
    if (kept != nullptr && kept->first < p) out_.line("const " + type(id) + " " + value(id) + " = " + slot(*kept) + ";");
    else node(id);
  }
  for (uint32_t s : pass.stores_loop) store(s);
  if (keep)
    for (const Kept& k : keep_.values)
      if (k.first == p) out_.line(slot(k) + " = " + value(k.node) + ";");
  for (NodeId id : pass.reduces) {
    const std::string e = named('e', id);
    out_.line(e + " = " + (tree ? operand(id) : combined(id, e, operand(id))) + ";");
  }
  out_.close();

  const auto names = [&](NodeId id) { return type(id) + ", " + combine(id); };
  if (tree) {
    for (NodeId id : pass.reduces) {
      const std::string i = std::to_string(id);
      out_.line("w" + i + ".push(fold_neighbours<" + names(id) + ">(e" + i + ", lane, (int)least(32, end - chunk)));");
    }
    out_.close();
  }
  for (NodeId id : pass.reduces) {
    const std::string i = std::to_string(id);
    const std::string result = tree ? "w" + i + ".result(" + identity(id) + ")" : "fold_halves<" + names(id) + ">(e" + i + ")";
    out_.line("const " + type(id) + " b" + i + " = " + result + ";");
    out_.line("if (warps == 1) v" + i + " = first_lane(b" + i + ");");
    out_.line("else collect(t" + i + ", b" + i + ", (" + type(id) +
              "*)shared, warp, lane == 0, thread == 0, 1, least(warps, (extent - first + " +
              std::to_string(warp_block(kernel_.reduction) - 1) + ") / " + block + "));");
  }
  out_.close();
  for (NodeId id : pass.reduces) {
    const std::string i = std::to_string(id);
    out_.line("if (warps > 1) v" + i + " = spread(t" + i + ", " + identity(id) + ", (" + type(id) + "*)shared, 0, thread == 0);");
  }
}

}  // namespace kiln::codegen::cuda
