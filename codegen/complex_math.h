// The functions of math.h for complex values (complex.h), written over them: at most 4 ulp off in modulus, |computed - exact| against an ulp of
// |exact|. c64 is computed in f64 and rounded once. Branch cuts, signs of zero and infinities as in C99 Annex G.6.
// One exception: pow of c128, whose error grows with |y log x|, as exp(y log x) has it in all libraries that compute it so.
#pragma once

#include "codegen/builder.h"

namespace kiln::codegen::of_complex {

Value sqrt(Builder&, Value z);  // Re >= 0; the cut is the negative real axis, continuous with the side its imaginary zero's sign names
Value exp(Builder&, Value z);
Value expm1(Builder&, Value z);
Value log(Builder&, Value z);  // -pi <= Im <= pi
Value log2(Builder&, Value z);
Value log10(Builder&, Value z);
Value log1p(Builder&, Value z);
Value pow(Builder&, Value x, Value y);  // x^0 = 1; 0^y is 0 where Re y > 0, else NaN

Value sin(Builder&, Value z);
Value cos(Builder&, Value z);
Value tan(Builder&, Value z);
Value asin(Builder&, Value z);
Value acos(Builder&, Value z);
Value atan(Builder&, Value z);
Value sinh(Builder&, Value z);
Value cosh(Builder&, Value z);
Value tanh(Builder&, Value z);
Value asinh(Builder&, Value z);
Value acosh(Builder&, Value z);
Value atanh(Builder&, Value z);

Value sign(Builder&, Value z);   // z / |z|; 0 of 0
Value angle(Builder&, Value z);  // the argument, a real value

}  // namespace kiln::codegen::of_complex
