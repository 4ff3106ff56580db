"""Values in the middle are pickled, copied deeply and compared."""

import copy
import pickle

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, options):
        y = x * options["k"]
        back = pickle.loads(pickle.dumps({"y": y, "options": options}))
        twin = copy.deepcopy(back)
        twin["y"] += 1
        return back["y"], twin["y"] * y, back["options"] == options

    for k in (1, 1, 1, 2.5, [3][0]):
        show(f(kn.asarray([1.0, 2.0]), {"k": k}))
