"""no_grad in one thread does not reach a function that another thread calls."""
# pytorch/pytorch#111569

import threading

import kiln as kn
from tests.capture.show import show


def main(jit):
    w = kn.asarray([2.0]).requires_grad_()

    @jit
    def f(x):
        y = w * x
        return y, y.requires_grad

    results = []

    def work():
        results.append([f(kn.asarray([1.0])) for _ in range(4)])

    show(f(kn.asarray([1.0])), f(kn.asarray([1.0])), f(kn.asarray([1.0])))
    with kn.no_grad():
        t = threading.Thread(target=work)
        t.start()
        t.join()
        show(f(kn.asarray([1.0])))
    show(results, f(kn.asarray([1.0])))
