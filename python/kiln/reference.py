"""Everything about operators that is written for people and editors, derived from the table of operators.

    python -m kiln.reference stubs FOLDER    _operators.pyi and _core.pyi, for type checkers and editors
    python -m kiln.reference page FILE       the operators' reference page
    python -m kiln.reference onnx            the table of docs/onnx.md, on standard output

The build runs the first two.
"""

import inspect
import sys
from pathlib import Path

from kiln import _core
from kiln._operators import signature
from kiln.onnx.table import equivalent
from kiln.onnx.table import page as onnx_table

_KIND = {  # by a parameter's kind: how its type is written in stubs, and what the page calls it
    "tensor": ("ArrayLike", "tensor"),
    "optional_tensor": ("ArrayLike | None", "tensor or None"),
    "tensors": ("Sequence[ArrayLike]", "sequence of tensors"),
    "boolean": ("_bool", "bool"),
    "integer": ("int", "int"),
    "number": ("int | float", "number"),
    "dtype": ("DTypeLike", "dtype"),
    "axes": ("int | Sequence[int] | None", "int, tuple or None"),
    "shape": ("int | Sequence[int]", "int or tuple"),
    "string": ("str", "string"),
}

_PREAMBLE = '''"""Written by kiln.reference from the table of operators."""

from builtins import bool as _bool
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
'''

_CORE = """
class dtype:
    @property
    def name(self) -> str: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def is_floating_point(self) -> _bool: ...
    @property
    def is_complex(self) -> _bool: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...

_dtype = dtype
{dtypes}

DTypeLike: TypeAlias = dtype | str | type | np.dtype[Any] | None
ArrayLike: TypeAlias = Tensor | np.ndarray[Any, Any] | np.generic | _bool | int | float | complex | Sequence[Any]

class Operator:
    __name__: str
    summary: str
    reference: str
    onnx: str
    family: str
    version: int
    outputs: int
    is_method: _bool
    is_random: _bool
    is_elementwise: _bool
    has_gradient: _bool
    aliases: list[str]
    parameters: list[dict[str, Any]]
    samples: list[Any]
    def operand_dtypes(self, operands: Sequence[Any], /) -> list[_dtype]: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

operators: dict[str, Operator]

class RemovableHandle:
    def remove(self) -> None: ...

class Tensor:
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    ndim: int
    size: Any
    itemsize: int
    nbytes: int
    device: str
    dtype: _dtype
    T: Tensor
    mT: Tensor
    grad: Tensor | None
    grad_fn: str | None
    requires_grad: _bool
    is_leaf: _bool
    def __new__(cls, x: Tensor) -> Tensor: ...
    def __getitem__(self, key: Any) -> Tensor: ...
    def __setitem__(self, key: Any, value: ArrayLike) -> None: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> _bool: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def __complex__(self) -> complex: ...
    def __index__(self) -> int: ...
    def __array__(self, dtype: Any = None, copy: _bool | None = None) -> np.ndarray[Any, Any]: ...
    def __dlpack__(self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: _bool | None = None) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
{infix}
    def item(self) -> _bool | int | float | complex: ...
    def tolist(self) -> Any: ...
    def numpy(self) -> np.ndarray[Any, Any]: ...
    def numel(self) -> int: ...
    def dim(self) -> int: ...
    def is_contiguous(self) -> _bool: ...
    def nonzero(self) -> tuple[Tensor, ...]: ...
    def unstack(self, axis: int = 0) -> tuple[Tensor, ...]: ...
    def detach(self) -> Tensor: ...
    def register_hook(self, hook: Callable[[Tensor], Tensor | None], /) -> RemovableHandle: ...
    def requires_grad_(self, requires_grad: _bool = True) -> Tensor: ...
    def backward(self, gradient: Tensor | None = None, retain_graph: _bool = False, create_graph: _bool = False) -> None: ...
{methods}

{functions}
def __getattr__(name: str) -> Any: ...
"""

_INFIX = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
_COMPARISONS = "lt le eq ne gt ge".split()


def _annotated(op: _core.Operator, method: bool = False) -> str:
    texts = []
    optional = False
    for i, p in enumerate(op.parameters):
        if method and i == 0:
            texts.append("self")
            continue
        kind = _KIND[p["kind"]][0]
        if not p["required"]:
            optional = True
            if p["default"] is None and "None" not in kind and kind != "DTypeLike":
                kind += " | None"
            texts.append(f"{p['name']}: {kind} = {_literal(p['default'])}")
        else:
            texts.append(f"{p['name']}: {kind}" + (" = ..." if optional else ""))
    result = "Tensor" if op.outputs == 1 else f"tuple[{', '.join(['Tensor'] * op.outputs)}]"
    return f"({', '.join(texts)}) -> {result}"


def _literal(value) -> str:
    return value.name if isinstance(value, _core.dtype) else repr(value)


def operators_stub() -> str:
    """The text of _operators.pyi."""
    lines = [_PREAMBLE, "from kiln._core import ArrayLike, DTypeLike, Tensor", ""]
    for name, op in sorted(_core.operators.items()):
        text = op.summary if name == op.__name__ else f"The same as {op.__name__}."
        lines += [f"def {name}{_annotated(op)}:", f'    """{_escaped(text)}"""', ""]
    return "\n".join(lines)


def core_stub() -> str:
    """The text of _core.pyi."""
    infix = [f"    def __{r}{name}__(self, other: ArrayLike) -> Tensor: ..." for name in _INFIX for r in ("", "r", "i")]
    infix += [f"    def __{name}__(self, other: Any) -> Tensor: ...  # type: ignore[override]" for name in _COMPARISONS]
    infix += [f"    def __{name}__(self) -> Tensor: ..." for name in ("neg", "pos", "abs", "invert")]
    methods = []
    for name, op in sorted(_core.operators.items()):
        if op.is_method:
            methods += [f"    def {name}{_annotated(op, method=True)}:", f'        """{_escaped(op.summary)}"""']
    dtypes = [f"{name}: dtype" for name, value in vars(_core).items() if isinstance(value, _core.dtype)]
    functions = [
        f"{name}: Callable[..., Any]"
        for name, value in sorted(vars(_core).items())
        if inspect.isbuiltin(value) and not name.startswith("_")
    ]
    body = _CORE.format(dtypes="\n".join(dtypes), infix="\n".join(infix), methods="\n".join(methods), functions="\n".join(functions))
    return _PREAMBLE + body


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', '\\"""')


def page() -> str:
    """The operators' reference, in Markdown."""
    ops = sorted({op.__name__: op for op in _core.operators.values()}.items())
    lines = [
        "# Operators",
        "",
        f"{len(ops)} operators, each defined in one place in `eager/ops/`, from which this page is written. All are functions of `kiln`;",
        "those marked *method* are also methods of tensors. Tensor arguments may be tensors, NumPy arrays, numbers or nested lists.",
        "",
        "| operator | computed as | |",
        "|---|---|---|",
    ]
    lines += [f"| [`{name}`](#{name}) | {op.family} | {_first_sentence(op.summary)} |" for name, op in ops]
    for name, op in ops:
        lines += ["", f"## {name}", "", f"`kiln.{name}{signature(op)}`" + (" *method*" if op.is_method else ""), "", op.summary, ""]
        for p in op.parameters:
            note = f", also `{p['alias']}`" if p["alias"] else ""
            accepts = (
                f" of {', '.join(p['accepts'])}" if p["kind"] in ("tensor", "optional_tensor", "tensors") and len(p["accepts"]) < 6 else ""
            )
            lines.append(f"- `{p['name']}`: {_KIND[p['kind']][1]}{accepts}{note}")
        facts = []
        if op.aliases:
            facts.append("Also called " + ", ".join(f"`{a}`" for a in op.aliases) + ".")
        if op.reference:
            facts.append(f"In NumPy: `{op.reference}`.")
        facts.append(f"In ONNX: {equivalent(op) or 'no equivalent'}.")
        lines += ["", " ".join(facts)]
    return "\n".join(lines) + "\n"


def _first_sentence(text: str) -> str:
    return text.split(". ")[0].rstrip(".").replace("|", "\\|")


def main() -> None:
    match sys.argv[1:]:
        case ["stubs", folder]:
            Path(folder, "_operators.pyi").write_text(operators_stub())
            Path(folder, "_core.pyi").write_text(core_stub())
        case ["page", path]:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(page())
        case ["onnx"]:
            print(onnx_table(), end="")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
