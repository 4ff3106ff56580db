// The plans that run f32. Private to contraction/. Keys are valid and without zero extents.
#pragma once

#include <memory>

#include "codegen/contraction/contraction.h"

namespace kiln::codegen {

std::unique_ptr<const ContractionPlan> make_matmul_plan(const ContractionKey&);       // our own kernel (gemm.h)
std::unique_ptr<const ContractionPlan> make_convolution_plan(const ContractionKey&);  // oneDNN (dnnl.h)
std::unique_ptr<const ContractionPlan> make_winograd_plan(const ContractionKey&);     // winograd.h
std::unique_ptr<const ContractionPlan> make_image_lanes_plan(const ContractionKey&);  // image_lanes.h
// Are they faster than oneDNN's direct form? By shape alone.
bool winograd_pays(const ContractionKey&);
bool image_lanes_pay(const ContractionKey&);  // the same for a layer's three contractions, so that they share layouts

}  // namespace kiln::codegen
