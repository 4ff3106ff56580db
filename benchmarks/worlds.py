"""One face for the libraries that are measured, so that each case is written once.

A world is a library in one mode, eager or compiled. Cases use `xp` (array API names), `nn`, `optim`, and these methods.
"""

import importlib
import os
from contextlib import suppress


class World:
    """Kiln, eager."""

    name, package, compiled = "kiln", "kiln", False
    trains = True  # has nn and optim as the cases use them
    layer_norm = rms_norm = None  # the library's own, without weights, where it has them

    def __init__(self, threads):
        self.xp = importlib.import_module(self.package)
        self.nn = self.xp.nn
        self.functional = self.xp.nn.functional
        self.sgd = self.xp.optim.SGD
        self.xp.set_num_threads(threads)
        self.xp.manual_seed(0)

    def array(self, numpy_array):
        """In memory of the library's own, as its operators' results are; NumPy's begins 16 bytes after a cache line does."""
        return self.xp.asarray(numpy_array, copy=True)

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

    def reduce(self, name, x, axis=-1, keepdims=True):
        """max, sum or mean over an axis."""
        return getattr(self.xp, name)(x, axis=axis, keepdims=keepdims)

    def log(self, x):
        return self.xp.log(x)

    def rows(self, table, at):
        """The table's rows at these indices."""
        return self.xp.take(table, at, axis=0)

    def variable(self, numpy_array):
        """An array that gradients are asked for."""
        x = self.array(numpy_array)
        x.requires_grad = True
        return x

    def pull_back(self, function):
        """A function of a variable and of its result's gradient (none for a number): its result and the variable's gradient."""

        def call(x, *gradient):
            x.grad = None
            y = function(x)
            y.backward(*gradient)
            return y, x.grad

        return self.compile(call)

    def softmax(self, x):
        return self.functional.softmax(x, -1)

    def negative_log_likelihood(self, log_probabilities, labels):
        return self.functional.nll_loss(log_probabilities, labels)

    def cross_entropy(self, x, labels):
        return self.functional.cross_entropy(x, labels)

    def settle(self):
        """Waits until compiling in the background is over."""

    def kernels(self):
        """Native kernels compiled, launches of those, launches of interpreted ones so far; None where the library does not tell."""
        return None

    def version(self):
        return getattr(self.xp, "__version__", "?")


class KilnCompiled(World):
    name, compiled = "kiln.jit", True

    def compile(self, function):
        return self.xp.jit(function)

    def settle(self):
        self.xp.wait_for_compiles()

    def kernels(self):
        counters = self.xp.kernel_counters()
        return [counters["compiles"]["asmjit"], counters["launches"]["asmjit"], counters["launches"]["interpreter"]]


class Torch(World):
    name, package = "torch", "torch"

    def array(self, numpy_array):
        return self.xp.from_numpy(numpy_array).clone()

    def reduce(self, name, x, axis=-1, keepdims=True):
        return super().reduce("amax" if name == "max" else name, x, axis, keepdims)

    def rows(self, table, at):
        return table[at]

    def layer_norm(self, x):
        return self.functional.layer_norm(x, x.shape[-1:])

    def rms_norm(self, x):
        return self.functional.rms_norm(x, x.shape[-1:])


class TorchCompiled(Torch):
    """torch.compile takes the network and the loss; backward and the optimiser's step stay outside."""

    name, compiled = "torch.compile", True

    def compile(self, function):
        return self.xp.compile(function)

    def pull_back(self, function):
        forward = self.compile(function)

        def call(x, *gradient):
            x.grad = None
            y = forward(x)
            y.backward(*gradient)
            return y, x.grad

        return call

    def training_step(self, network, loss, optimizer):
        forward = self.xp.compile(lambda images, labels: loss(network(images), labels))

        def step(images, labels):
            optimizer.zero_grad()
            value = forward(images, labels)
            value.backward()
            optimizer.step()
            return value

        return step


def use_cpus(count):
    """For libraries that start a thread for each CPU they see."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


class Jax(World):
    """Calls return before the work is done, so each is waited for."""

    name, package, trains = "jax", "jax.numpy", False

    def __init__(self, threads):
        use_cpus(threads)
        self.jax = importlib.import_module("jax")
        self.xp = importlib.import_module(self.package)

    def array(self, numpy_array):
        return self.xp.array(numpy_array)

    variable = array

    def compile(self, function):
        return lambda *arguments: self.jax.block_until_ready(function(*arguments))

    def pull_back(self, function):
        def call(x, *gradient):
            y, back = self.jax.vjp(function, x)
            return y, back(gradient[0] if gradient else self.xp.ones_like(y))[0]

        return self.compile(call)

    def softmax(self, x):
        return self.jax.nn.softmax(x, axis=-1)

    def negative_log_likelihood(self, log_probabilities, labels):
        return -self.xp.mean(self.xp.take_along_axis(log_probabilities, labels[:, None], axis=1))

    def cross_entropy(self, x, labels):
        return self.negative_log_likelihood(self.jax.nn.log_softmax(x, axis=1), labels)

    def version(self):
        return self.jax.__version__


class JaxCompiled(Jax):
    name, compiled = "jax.jit", True

    def compile(self, function):
        return super().compile(self.jax.jit(function))


class TensorFlow(World):
    name, package, trains = "tensorflow", "tensorflow", False

    def __init__(self, threads):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        use_cpus(threads)
        self.xp = importlib.import_module(self.package)
        self.xp.config.threading.set_intra_op_parallelism_threads(threads)

    def array(self, numpy_array):
        return self.xp.constant(numpy_array)

    variable = array

    def reduce(self, name, x, axis=-1, keepdims=True):
        return super().reduce("reduce_" + name, x, axis, keepdims)

    def log(self, x):
        return self.xp.math.log(x)

    def rows(self, table, at):
        return self.xp.gather(table, at)

    def pull_back(self, function):
        def call(x, *gradient):
            with self.xp.GradientTape() as tape:
                tape.watch(x)
                y = function(x)
            return y, tape.gradient(y, x, *gradient)

        return self.compile(call)

    def softmax(self, x):
        return self.xp.nn.softmax(x)

    def negative_log_likelihood(self, log_probabilities, labels):
        return -self.xp.reduce_mean(self.xp.gather(log_probabilities, labels, axis=1, batch_dims=1))

    def cross_entropy(self, x, labels):
        return self.xp.reduce_mean(self.xp.nn.sparse_softmax_cross_entropy_with_logits(labels, x))


class TensorFlowCompiled(TensorFlow):
    """tf.function through XLA."""

    name, compiled = "tf.function XLA", True

    def compile(self, function):
        return self.xp.function(function, jit_compile=True)


class DrJit(World):
    """Traces each call and keeps the kernels it has compiled; dr.freeze keeps the whole call. Needs LLVM's shared library."""

    name, package, trains = "drjit", "drjit", False

    def __init__(self, threads):
        use_cpus(threads)
        self.xp = importlib.import_module(self.package)
        self.xp.set_thread_count(threads)
        self.float = importlib.import_module("drjit.llvm").Float

    def array(self, numpy_array):
        return self.float(numpy_array)

    def compile(self, function):
        def call(*arguments):
            result = function(*arguments)
            self.xp.eval(result)
            self.xp.sync_thread()
            return result

        return call


class DrJitCompiled(DrJit):
    name, compiled = "drjit.freeze", True

    def compile(self, function):
        return super().compile(self.xp.freeze(function))


KINDS = (World, KilnCompiled, Torch, TorchCompiled, Jax, JaxCompiled, TensorFlow, TensorFlowCompiled, DrJit, DrJitCompiled)
WORLDS = {world.name: world for world in KINDS}
PEERS = {
    "torch": ("torch", "torch.compile"),
    "jax": ("jax", "jax.jit"),
    "tensorflow": ("tensorflow", "tf.function XLA"),
    "drjit": ("drjit", "drjit.freeze"),
}


def peak_memory():
    """The most resident memory this process ever had, in bytes."""
    with suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None
