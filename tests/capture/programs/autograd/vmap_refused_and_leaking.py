"""What vmap refuses raises the same error each time; what a sample changes outside is done each time."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    seen = []
    limit = kn.asarray(1.0)

    @jit
    def f(xs, how):
        def of_one(x):
            seen.append(x.shape)
            if how == "branch" and x.sum() > limit:
                return x
            if how == "random":
                return x + kn.random.uniform(2)
            y = x * 1
            y += limit
            y[0] = x[1]
            return y

        return kn.vmap(of_one)(xs)

    xs = kn.asarray([[1.0, 2.0], [0.5, -1.0]])
    for how in ("plain", "plain", "plain", "branch", "plain", "random", "plain"):
        attempt(f, xs, how)
        show(len(seen), seen[-1])
    limit = kn.asarray(3.0)
    show(f(xs, "plain"), f(xs[:1], "plain"), len(seen))
