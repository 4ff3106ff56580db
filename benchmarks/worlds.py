"""One face for the libraries that are measured, so that each case is written once.

A world is a library in one mode, eager or compiled. Cases use `xp` (array API names), `nn`, `optim`, and these methods.
"""

import importlib
from contextlib import suppress


class World:
    """Kiln, eager."""

    name, package, compiled = "kiln", "kiln", False

    def __init__(self, threads):
        self.xp = importlib.import_module(self.package)
        self.nn = self.xp.nn
        self.functional = self.xp.nn.functional
        self.sgd = self.xp.optim.SGD
        self.xp.set_num_threads(threads)
        self.xp.manual_seed(0)

    def array(self, numpy_array):
        return self.xp.asarray(numpy_array)

    def compile(self, function):
        """The function as this world runs it, for code without gradients."""
        return function

    def training_step(self, network, loss, optimizer):
        """A function of a batch that makes one whole step and returns the loss."""

        def step(images, labels):
            optimizer.zero_grad()
            value = loss(network(images), labels)
            value.backward()
            optimizer.step()
            return value

        return self.compile(step)

    def row_maximum(self, x):
        return self.xp.max(x, axis=-1, keepdims=True)

    def settle(self):
        """Waits until compiling in the background is over."""

    def version(self):
        return getattr(self.xp, "__version__", "?")


class KilnCompiled(World):
    name, compiled = "kiln.jit", True

    def compile(self, function):
        return self.xp.jit(function)

    def settle(self):
        self.xp.wait_for_compiles()


class Torch(World):
    name, package = "torch", "torch"

    def array(self, numpy_array):
        return self.xp.from_numpy(numpy_array)

    def row_maximum(self, x):
        return self.xp.amax(x, axis=-1, keepdims=True)


class TorchCompiled(Torch):
    """torch.compile takes the network and the loss; backward and the optimiser's step stay outside."""

    name, compiled = "torch.compile", True

    def compile(self, function):
        return self.xp.compile(function)

    def training_step(self, network, loss, optimizer):
        forward = self.xp.compile(lambda images, labels: loss(network(images), labels))

        def step(images, labels):
            optimizer.zero_grad()
            value = forward(images, labels)
            value.backward()
            optimizer.step()
            return value

        return step


WORLDS = {world.name: world for world in (World, KilnCompiled, Torch, TorchCompiled)}
PEERS = {"torch": ("torch", "torch.compile")}


def peak_memory():
    """The most resident memory this process ever had, in bytes."""
    with suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None
