#include "eager/lowering.h"

namespace kiln::eager {

IndexMap IndexMap::identity(int rank) {
  IndexMap map;
  map.rank = map.iteration = rank;
  for (int d = 0; d < rank; ++d) map.coefficient[d][d] = 1;
  return map;
}

IndexMap IndexMap::broadcast_from(const Dims& own, const Dims& result) const {
  IndexMap map;
  map.rank = own.size();
  map.iteration = iteration;
  const int extra = result.size() - own.size();
  for (int d = 0; d < own.size(); ++d) {
    if (own[d] == 1) continue;  // always at 0
    map.base[d] = base[d + extra];
    map.coefficient[d] = coefficient[d + extra];
  }
  return map;
}

int64_t IndexMap::offset(const Dims& strides) const {
  int64_t sum = 0;
  for (int d = 0; d < rank; ++d) sum += base[d] * strides[d];
  return sum;
}

Dims IndexMap::iteration_strides(const Dims& strides) const {
  Dims result = Dims::filled(iteration, 0);
  for (int d = 0; d < rank; ++d)
    for (int k = 0; k < iteration; ++k) result[k] += coefficient[d][k] * strides[d];
  return result;
}

}  // namespace kiln::eager
