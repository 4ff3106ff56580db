"""value_and_grad over nested parameters, whose structure grows between calls."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    def loss(params, x):
        for layer in params["layers"]:
            x = kn.tanh(x * layer["w"] + layer["b"])
        return kn.sum(x)

    f = jit(kn.value_and_grad(loss))
    params = {"layers": [{"w": kn.asarray(0.5), "b": kn.asarray(0.1)}]}
    x = kn.asarray([1.0, 2.0])
    show(f(params, x), f(params, x), f(params, x))
    params["layers"].append({"w": kn.asarray(2.0), "b": kn.asarray(0.0)})
    show(f(params, x))
    params["layers"][0]["w"] = kn.asarray(-0.5)
    show(f(params, x))
