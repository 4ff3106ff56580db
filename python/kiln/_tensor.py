"""What tensors do that is written in Python: printing, copying, pickling, and a few properties."""

import numpy as np

from kiln import _core
from kiln._core import Tensor
from kiln._elsewhere import INSTEAD, explain_missing
from kiln._several import nonzero, unstack


class Size(int):
    """x.size: the number of elements; called, as in torch, the shape or the extent of one dimension."""

    def __new__(cls, shape: tuple[int, ...]):
        size = 1
        for extent in shape:
            size *= extent
        self = super().__new__(cls, size)
        self._shape = shape
        return self

    def __call__(self, dim: int | None = None):
        return self._shape if dim is None else self._shape[dim]


def _repr(self: Tensor) -> str:
    notes = [f"dtype={self.dtype.name}"]
    if self.grad_fn is not None:
        notes.append(f"grad_fn=<{self.grad_fn}>")
    elif self.requires_grad:
        notes.append("requires_grad=True")
    name = "tensor"
    values = np.array2string(_core.values_for_repr(self), separator=", ", prefix=f"{name}(")
    if 0 in self.shape and len(self.shape) > 1:
        notes.insert(0, f"shape={self.shape}")
    return f"{name}({values}, {', '.join(notes)})"


def _format(self: Tensor, spec: str) -> str:
    return format(self.item(), spec) if spec else str(self)


def _copy(self: Tensor) -> Tensor:
    if not self.is_leaf:
        return _core.operators["copy"](self)
    return type(self)(_core.operators["copy"](self.detach())).requires_grad_(self.requires_grad)


def _deepcopy(self: Tensor, memo: dict) -> Tensor:
    if not self.is_leaf:
        raise RuntimeError("only leaf tensors can be deep-copied, not an operator's result on the tape: use x.detach()")
    made = _copy(self)
    if self.grad is not None:
        made.grad = _deepcopy(self.grad, memo)
    memo[id(self)] = made
    return made


def _rebuild(cls: type, values: np.ndarray, requires_grad: bool, dtype: _core.dtype | None = None) -> Tensor:
    return cls(_core.asarray(values, dtype)).requires_grad_(requires_grad)


def _reduce(self: Tensor):
    if not self.is_leaf:
        raise RuntimeError("only leaf tensors can be pickled, not an operator's result on the tape: use x.detach()")
    if self.dtype is _core.bfloat16:  # NumPy alone has none; float32 holds its values
        return _rebuild, (type(self), _core.operators["astype"](self.detach(), _core.float32).numpy(), self.requires_grad, self.dtype)
    return _rebuild, (type(self), self.detach().numpy(), self.requires_grad)


def _array_namespace(self: Tensor, *, api_version: str | None = None):
    import kiln

    return kiln


def _transposed(self: Tensor) -> Tensor:
    if self.ndim != 2:
        raise ValueError(f"x.T is of matrices, not of shape {self.shape}: use x.mT or kiln.permute_dims(x, axes)")
    return _core.operators["matrix_transpose"](self)


def _elsewhere(name: str) -> property:
    """An attribute that is not there, and says what is. (A __getattr__ would slow every other attribute down.)"""

    def missing(self: Tensor):
        raise AttributeError(explain_missing("Tensor", name), name=name, obj=self)

    return property(missing)


Tensor.__repr__ = _repr
Tensor.__format__ = _format
Tensor.__copy__ = _copy
Tensor.__deepcopy__ = _deepcopy
Tensor.__reduce__ = _reduce
Tensor.__array_namespace__ = _array_namespace
Tensor.__array_priority__ = 1000  # NumPy leaves mixed operators to us: array + tensor is a tensor
for _name in INSTEAD:
    if not hasattr(Tensor, _name):
        setattr(Tensor, _name, _elsewhere(_name))
Tensor.size = property(lambda self: Size(self.shape), doc="Number of elements; x.size() is the shape, x.size(0) an extent.")
Tensor.T = property(_transposed, doc="A matrix, transposed.")
Tensor.mT = property(lambda self: _core.operators["matrix_transpose"](self), doc="The last two dimensions, swapped.")
Tensor.nonzero = nonzero
Tensor.unstack = unstack
Tensor.numel = lambda self: int(self.size)
Tensor.dim = lambda self: self.ndim
