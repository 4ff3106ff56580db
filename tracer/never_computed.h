// Tensors that outlive a recording without having been computed: of an export, or of a trial that was taken back.
#pragma once

#include "eager/tensor.h"

namespace kiln::tracer {

// Whoever asks for the values of this storage gets an error from now on. Does nothing to one that has values or a recorder.
void claim_for_ever(eager::Storage&);

}  // namespace kiln::tracer
