// Kernels that reduce the last but one dimension: each thread takes a column, alone or as one of several that share out the row blocks.
#include "codegen/cuda/printer.h"

namespace kiln::codegen::cuda {

void Printer::rows() {
  const std::string last = std::to_string(last_);
  out_.line("const i64 columns = a.extent[" + last + "], tiles = (columns + blockDim.x - 1) / blockDim.x, items = " + outer_count() +
            " * tiles;");
  out_.line("const int thread = (int)(threadIdx.y * blockDim.x + threadIdx.x);");
  out_.open("for (i64 item = blockIdx.x; item < items; item += gridDim.x)");
  if (outer_.empty()) {
    out_.line("const i64 mine = item * blockDim.x + threadIdx.x;");
  } else {
    out_.line("const i64 row = quotient(item, tiles), mine = (item - row * tiles) * blockDim.x + threadIdx.x;");
    outer_indices("row");
  }
  // Threads beyond the last column compute it too, as all have to meet, and store nothing.
  out_.line("const bool inside = mine < columns;");
  out_.line("const i64 column = inside ? mine : columns - 1;");
  index_[static_cast<size_t>(last_)] = "column";
  pointers("column");
  reduced_extent();
  for (const Schedule::Pass& pass : schedule_.steps) {
    for (NodeId id : pass.once) node(id);
    if (!pass.stores_once.empty()) {  // one thread stores what all of the column may have loaded
      out_.line("__syncthreads();");
      out_.open("if (inside && threadIdx.y == 0)");
      for (uint32_t s : pass.stores_once) store(s);
      out_.close();
    }
    if (!pass.loops()) continue;
    identities(pass, 'v');
    out_.open("");
    rows_loop(pass);
    out_.close();
  }
  out_.close();
}

void Printer::rows_loop(const Schedule::Pass& pass) {
  const std::string block = std::to_string(kRowBlock);
  trees(pass, 't', kTreeLevels);
  out_.open("for (i64 first = 0; first < extent; first += (i64)blockDim.y * " + block + ")");
  out_.line("const i64 begin = first + (i64)threadIdx.y * " + block + ", end = least(begin + " + block + ", extent);");
  identities(pass, 'e');
  out_.line(unroll(pass.loop.size()));
  out_.open("for (i64 r = begin; r < end; ++r)");
  along_rows_ = index_[static_cast<size_t>(reduced_)] = "r";
  body(pass.loop, pass.stores_loop, "inside");
  for (NodeId id : pass.reduces) {
    const std::string e = named('e', id);
    out_.line(e + " = " + combined(id, e, operand(id)) + ";");
  }
  along_rows_.clear();
  out_.close();
  for (NodeId id : pass.reduces) {
    const std::string i = std::to_string(id), partial = "(" + type(id) + "*)shared, thread";
    out_.line("if (blockDim.y == 1) v" + i + " = e" + i + ";");
    out_.line("else collect(t" + i + ", e" + i + ", " + partial +
              ", true, threadIdx.y == 0, blockDim.x, least(blockDim.y, (extent - first + " + std::to_string(kRowBlock - 1) + ") / " +
              block + "));");
  }
  out_.close();
  for (NodeId id : pass.reduces) {
    const std::string i = std::to_string(id);
    out_.line("if (blockDim.y > 1) v" + i + " = spread(t" + i + ", " + identity(id) + ", (" + type(id) +
              "*)shared, (int)threadIdx.x, threadIdx.y == 0);");
  }
}

}  // namespace kiln::codegen::cuda
