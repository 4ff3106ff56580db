"""Equal strings that are other objects, empty strings, and unicode of one look."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, key):
        return x * {"abc": 1.0, "": 2.0, "é": 3.0, "e\u0301": 4.0}.get(key, 5.0) + len(key)

    x = kn.asarray([1.0])
    for key in ("abc", "abc", "".join("abc"), "ABC".lower(), "", "é", "e\u0301", "abd", b"abc"):
        show(f(x, key))
