"""What stands in for `kiln` in a peer's process: the peer's own functions under the array API's names. Imports nothing of Kiln.

Most functions of the peers already have these names and meanings. The tables below hold the others; a function that is in neither place
is an AttributeError, and so the reason in the peer's row.
"""

import types


def arrays(records):
    """The records of arrays in a job's arguments."""
    for record in records:
        if record["kind"] == "array":
            yield record
        elif "items" in record:
            items = record["items"]
            yield from arrays(items.values() if isinstance(items, dict) else items)


def _same(function=None, **_):
    """What takes the place of kn.jit and kn.disable: the peer compiles (or does not) by itself."""
    return _same if function is None else function


def _not_here(*_, **__):
    raise RuntimeError("the module calls kn.compare while it is imported; put that call under `if __name__ == '__main__':`")


def _namespace(library, *sources, **own):
    """A module that holds the public names of the sources, the first that has one, and `own` before all."""
    module = types.ModuleType("kiln")
    module.__doc__ = f"{library}, under the array API's names"
    for source in reversed(sources):
        for name in dir(source):
            if not name.startswith("_"):
                setattr(module, name, getattr(source, name))
    for name, value in {"jit": _same, "disable": _same, "compare": _not_here, "newaxis": None, **own}.items():
        setattr(module, name, value)

    def missing(name):
        raise AttributeError(f"{library} has no {name} of the array API; peers run functions that use its names only")

    module.__getattr__ = missing
    return module


class Torch:
    def __init__(self, threads, wide):
        import torch

        torch.set_num_threads(threads)
        self.torch, self.version = torch, torch.__version__
        self.namespace = _namespace("torch", torch, torch.nn.functional, **self._own(torch))
        torch.Tensor.__array_namespace__ = lambda x, api_version=None: self.namespace

    @staticmethod
    def _own(torch):
        def operand(x, other):
            return x if isinstance(x, torch.Tensor) else torch.asarray(x, dtype=other.dtype)

        def maximum(x1, x2):
            return torch.maximum(operand(x1, x2), operand(x2, x1))

        def minimum(x1, x2):
            return torch.minimum(operand(x1, x2), operand(x2, x1))

        def over(function):  # amax and amin take a tuple of axes, and all axes as an empty one
            return lambda x, axis=None, keepdims=False: function(x, () if axis is None else axis, keepdims)

        def spread(function):  # the array API's correction is 0, torch's is 1
            return lambda x, axis=None, correction=0, keepdims=False: function(x, dim=axis, correction=correction, keepdim=keepdims)

        return {
            "maximum": maximum,
            "minimum": minimum,
            "max": over(torch.amax),
            "min": over(torch.amin),
            "std": spread(torch.std),
            "var": spread(torch.var),
            "relu": torch.relu,
            "tanh": torch.tanh,
            "sigmoid": torch.sigmoid,
            "permute_dims": torch.permute,
            "expand_dims": lambda x, axis=0: torch.unsqueeze(x, axis),
            "matrix_transpose": lambda x: x.mT,
            "astype": lambda x, dtype, copy=True: x.to(dtype, copy=copy),
            "pow": lambda x1, x2: x1**x2,
            "atan2": torch.atan2,
        }

    def array(self, x, requires_grad):
        return self.torch.from_numpy(x).requires_grad_(requires_grad)

    def compile(self, function, form):
        return self.torch.compile(function) if form == "torch.compile" else function

    def wait(self, result):
        return result

    def is_array(self, x):
        return isinstance(x, self.torch.Tensor)

    def numpy(self, x):
        import numpy

        return x.detach().numpy() if self.is_array(x) else numpy.asarray(x)


class Jax:
    def __init__(self, threads, wide):
        import jax

        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_enable_x64", wide)  # else 64-bit inputs become 32-bit ones
        self.jax, self.version = jax, jax.__version__
        self.namespace = _namespace("jax", jax.numpy, jax.nn)

    def array(self, x, requires_grad):
        return self.jax.numpy.asarray(x)

    def compile(self, function, form):
        return self.jax.jit(function) if form == "jax.jit" else function

    def wait(self, result):
        return self.jax.block_until_ready(result)

    def is_array(self, x):
        return isinstance(x, self.jax.Array)

    def numpy(self, x):
        import numpy

        return numpy.asarray(x)


class TensorFlow:
    def __init__(self, threads, wide):
        import os

        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
        import tensorflow as tf
        import tensorflow.experimental.numpy as tnp

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tnp.experimental_enable_numpy_behavior(prefer_float32=True)
        self.tf, self.version = tf, tf.__version__
        self.namespace = _namespace("tensorflow", tnp, tf.nn, tf.math, tf, **self._own(tf, tnp))
        tf.Tensor.__array_namespace__ = lambda x, api_version=None: self.namespace

    @staticmethod
    def _own(tf, tnp):
        return {
            "permute_dims": tnp.transpose,
            "matrix_transpose": tf.linalg.matrix_transpose,
            "concat": tnp.concatenate,
            "astype": lambda x, dtype, copy=True: tf.cast(x, dtype),
            "pow": tnp.power,
            "acos": tnp.arccos,
            "asin": tnp.arcsin,
            "atan": tnp.arctan,
            "atan2": tnp.arctan2,
        }

    def array(self, x, requires_grad):
        return self.tf.constant(x)

    def compile(self, function, form):
        if form == "tensorflow":
            return function
        return self.tf.function(function, jit_compile="XLA" in form)

    def wait(self, result):
        return result

    def is_array(self, x):
        return isinstance(x, self.tf.Tensor)

    def numpy(self, x):
        import numpy

        return x.numpy() if self.is_array(x) else numpy.asarray(x)


LIBRARIES = {"torch": Torch, "jax": Jax, "tensorflow": TensorFlow}
