// Shows the error of a float32 convolution where oneDNN is not found.
#include <kiln/kiln.h>

#include <iostream>

int main() {
  try {
    kiln::conv2d(kiln::ones({1, 1, 4, 4}), kiln::ones({1, 1, 3, 3}));
  } catch (const kiln::Error& e) { std::cout << (e.code() == kiln::ErrorCode::runtime ? "runtime: " : "another code: ") << e.what(); }
}
