// The plans that run f32. Private to contraction/. Keys are valid and without zero extents.
#pragma once

#include <memory>

#include "codegen/contraction/contraction.h"

namespace kiln::codegen {

std::unique_ptr<const ContractionPlan> make_matmul_plan(const ContractionKey&);       // our own kernel (gemm.h)
std::unique_ptr<const ContractionPlan> make_convolution_plan(const ContractionKey&);  // oneDNN (dnnl.h)
std::unique_ptr<const ContractionPlan> make_winograd_plan(const ContractionKey&);     // winograd.h
bool winograd_pays(const ContractionKey&);  // is it faster than oneDNN's direct form? By shape alone

}  // namespace kiln::codegen
