// Kiln from C++: eager tensors, automatic differentiation and kiln::jit, in the words of the Python package. This header includes all others.
//
//   auto gelu = kiln::jit([](const kiln::Tensor& x) { return 0.5 * x * (1 + kiln::tanh(0.7978845608 * (x + 0.044715 * x * x * x))); });
//   std::cout << gelu(kiln::Tensor{-1.0f, 0.0f, 1.0f});
#pragma once

#include <kiln/autograd.h>
#include <kiln/dtype.h>
#include <kiln/error.h>
#include <kiln/infix.h>
#include <kiln/jit.h>
#include <kiln/operators.h>
#include <kiln/program.h>
#include <kiln/random.h>
#include <kiln/settings.h>
#include <kiln/shape.h>
#include <kiln/tensor.h>
