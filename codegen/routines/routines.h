// Library routines over dense memory, for what is no kernel: scans, sorts, searches, gathers and scatters.
//
// An array is seen as [outer, n, inner], row-major, the axis being n long. Dtypes are data: elements are moved by their size, combined by the
// interpreter's own definition of a primitive (interpreter/primitives.h), and compared through order_key(). Work goes to the pool in pieces
// that shapes alone decide, and no result depends on which piece comes first. f16 and bf16 are combined in f32, their results rounded once.
#pragma once

#include <cstdint>

#include "codegen/dtype.h"
#include "codegen/primitive.h"

namespace kiln::codegen {

struct Lines {
  int64_t outer = 1, n = 1, inner = 1;
  int64_t elements() const { return outer * n * inner; }
};

// ---- scans (scan.cpp) -----------------------------------------------------------------------------------------------

inline constexpr int64_t kScanBlock = 4096;

// y[i] = combine(x[0], ..., x[i]) along the axis, from its end backwards if `reverse`. The canonical order, a function of n alone: within
// blocks of kScanBlock elements in order; carry[b] = combine(carry[b - 1], the last of block b - 1); elements of block b > 0 are
// combine(carry[b], what their block gave). NaN is canonical in y.
void scan(Prim combine, DType, const Lines&, bool reverse, const void* x, void* y);

// y[i] = a[i] * y[i - 1] + b[i], rounded twice, y[-1] = 0, in order; backwards if `reverse`. Floats.
void recur(DType, const Lines&, bool reverse, const void* a, const void* b, void* y);

// ---- order (order.cpp) ----------------------------------------------------------------------------------------------

// Numbers by which the unsigned order is the dtype's: -0.0 and 0.0 are equal, NaN comes after everything. `bits`: the element, zero-extended.
uint64_t order_key(DType, uint64_t bits);

// positions[o, :, i]: the stable order of x[o, :, i], least first (greatest first if `descending`; equals stay in order of position).
void sort_positions(DType, const Lines&, bool descending, const void* x, int64_t* positions);

// positions[o, :, i], `k` long: the first k of what sort_positions() gives for x[o, :, i], 0 <= k <= n.
void first_positions(DType, const Lines&, int64_t k, bool descending, const void* x, int64_t* positions);

// For each of `count` queries the position in sorted[0..n) before which it belongs: before its equals, or after them if `right`.
void search_sorted(DType, const void* sorted, int64_t n, const void* queries, int64_t count, bool right, int64_t* positions);

// ---- gathers and scatters (gather.cpp) ------------------------------------------------------------------------------

// An index counts from the end if it is negative. Who calls has checked that all are in range; one that is not (another thread writes
// what was checked) reads or writes the nearest element that is there.

// y[o, j, :] = x[o, indices[j], :], j < count.
void gather_rows(DType, const Lines& x_lines, const void* x, const int64_t* indices, int64_t count, void* y);
// y[o, j, i] = x[o, indices[o, j, i], i], j < count.
void gather_along(DType, const Lines& x_lines, const void* x, const int64_t* indices, int64_t count, void* y);

enum class Scatter : uint8_t { set, add };  // add: of bools, or
// y[o, indices[j], :] = (or +=) values[o, j, :] in order of j: the last set wins, sums are taken in that order.
void scatter_rows(Scatter, DType, const Lines& y_lines, const int64_t* indices, int64_t count, const void* values, void* y);
// y[o, indices[o, j, i], i] = (or +=) values[o, j, i].
void scatter_along(Scatter, DType, const Lines& y_lines, const int64_t* indices, int64_t count, const void* values, void* y);

}  // namespace kiln::codegen
