"""Kiln: eager tensor programs, captured, fused and compiled.

    import kiln as kn

    x = kn.asarray([[1.0, 2.0], [3.0, 4.0]])
    y = kn.jit(lambda x: kn.exp(x) / kn.sum(kn.exp(x), axis=1, keepdims=True))(x)

Every operator of Kiln is a function here and most are methods of tensors; their signatures follow the Python array API standard.
"""

from kiln import _core, _setup, _tensor  # isort: skip  (first: the rest needs tensors)
from kiln import data, nn, optim, random, testing
from kiln._auto import auto
from kiln._control import cond, scan, while_loop
from kiln._core import (
    Tensor,
    __version__,
    asarray,
    bfloat16,
    clear_kernel_cache,
    complex64,
    complex128,
    default_dtype,
    float16,
    float32,
    float64,
    from_dlpack,
    int8,
    int16,
    int32,
    int64,
    is_grad_enabled,
    is_tracing,
    kernel_counters,
    manual_seed,
    memory_stats,
    num_threads,
    release_cached_memory,
    reset_peak_memory,
    set_default_dtype,
    set_num_threads,
    uint8,
    uint16,
    uint32,
    uint64,
    wait_for_compiles,
)
from kiln._core import bool as bool
from kiln._core import (
    dtype as dtype,
)
from kiln._custom_vjp import custom_vjp
from kiln._derivatives import grad, jvp, value_and_grad, vjp
from kiln._dtypes import can_cast, finfo, iinfo, isdtype, result_type
from kiln._grad import enable_grad, no_grad
from kiln._operators import *  # noqa: F403  every operator, by all its names
from kiln._several import broadcast_arrays, broadcast_shapes, meshgrid, nonzero, unravel_index, unstack
from kiln._tree import register_pytree
from kiln._vmap import vmap
from kiln._weights import load, save
from kiln.comparing.compare import compare
from kiln.config import config
from kiln.errors import NotReplayedError, RecompileError, VerificationError
from kiln.export import Program, export, spec
from kiln.jit import assume_constant, disable, jit

newaxis = None
pi = 3.141592653589793
e = 2.718281828459045
inf = float("inf")
nan = float("nan")


def tensor(obj, dtype=None, requires_grad=False):
    """A tensor of its own, as torch makes it: asarray(obj, dtype, copy=True)."""
    return asarray(obj, dtype, copy=True).requires_grad_(requires_grad)


def synchronize() -> None:
    """Waits until all work has been done: on the CPU, operators have when they return."""


def __getattr__(name: str):
    from kiln._elsewhere import explain_missing

    raise AttributeError(explain_missing("kiln", name))
