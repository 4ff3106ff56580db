"""Items are read after others have been cut out, put in front, or replaced by a slice; sort() whose key looks at the list."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x, values, how):
        if how == "del":
            del values[0]
        elif how == "insert":
            values.insert(0, 9.0)
        elif how == "slice":
            values[:2] = [7.0]
        elif how == "sort":
            values.sort(key=lambda v: v + len(values) * 100)
        elif how == "grow":
            values.sort(key=lambda v: values.append(v) or -v)
        values.append(5.0)
        values[1] += 1.0
        return x * values[0] + values[1] * 10 + values[-1] * 100, values

    x = kn.asarray([1.0])
    for how in ("del", "insert", "slice", "sort", "", "grow"):
        for _ in range(4):
            attempt(f, x, [3.0, 1.0, 2.0], how)
        attempt(f, x, [4.0, 0.5, 2.0], how)
