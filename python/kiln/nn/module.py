"""Module: a tree of parameters, buffers and submodules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kiln import _core
from kiln._core import Tensor
from kiln._grad import no_grad
from kiln._operators import astype
from kiln.nn import hooks


class Parameter(Tensor):
    """A tensor that a module owns and an optimiser changes; requires grad unless told otherwise."""

    def __new__(cls, data: Any, requires_grad: bool = True):
        return super().__new__(cls, data if isinstance(data, Tensor) else _core.asarray(data))

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Module:
    """Base of all layers and networks. A subclass defines forward(); assigning a Parameter or a Module to an attribute registers it."""

    training: bool
    _hooks: hooks.Hooks | None = None

    def __init__(self) -> None:
        for table in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, table, {})
        object.__setattr__(self, "training", True)
        object.__setattr__(self, "_hooks", None)

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f"{type(self).__name__} defines no forward()")

    def __call__(self, *args, **kwargs):
        if self._hooks is not None:
            return hooks.call(self, self._hooks, args, kwargs)
        return self.forward(*args, **kwargs)

    # ---- hooks -------------------------------------------------------------------------------------------------------

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> hooks.RemovableHandle:
        """hook(module, args) before every forward(); what it gives, unless None, replaces the arguments.

        with_kwargs: hook(module, args, kwargs), which gives None or (args, kwargs).
        """
        own = hooks.hooks_of(self)
        return own.add(own.before, hook, with_kwargs, prepend)

    def register_forward_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> hooks.RemovableHandle:
        """hook(module, args, result) after every forward(); what it gives, unless None, replaces the result.

        with_kwargs: hook(module, args, kwargs, result).
        """
        own = hooks.hooks_of(self)
        return own.add(own.after, hook, with_kwargs, prepend)

    def register_full_backward_hook(self, hook: Callable, *, prepend: bool = False) -> hooks.RemovableHandle:
        """hook(module, grad_input, grad_output) when the gradients of a call's positional arguments have come.

        Both are tuples, with None where there is no gradient; what the hook gives, unless None, replaces grad_input.
        """
        own = hooks.hooks_of(self)
        return own.add(own.backward, hook, False, prepend)

    # ---- registration ------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        tables = self.__dict__
        if "_parameters" not in tables:
            raise AttributeError(f"{type(self).__name__}.__init__ must call super().__init__() before it assigns '{name}'")
        for table in ("_parameters", "_buffers", "_modules"):
            tables[table].pop(name, None) if not (table == "_buffers" and isinstance(value, Tensor)) else None
        if isinstance(value, Parameter):
            self._parameters[name] = value
        elif isinstance(value, Module):
            self._modules[name] = value
        elif name in self._buffers:
            self._buffers[name] = value
        else:
            object.__setattr__(self, name, value)
            return
        tables.pop(name, None)

    def __getattr__(self, name: str) -> Any:  # only for what is not an ordinary attribute
        tables = self.__dict__
        for table in ("_parameters", "_buffers", "_modules"):
            if name in tables.get(table, ()):
                return tables[table][name]
        raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                return
        object.__delattr__(self, name)

    def register_parameter(self, name: str, value: Parameter | None) -> None:
        """A parameter under a name; None keeps the name without one (a layer without bias)."""
        self._parameters[name] = value

    def register_buffer(self, name: str, value: Tensor | None) -> None:
        """A tensor that belongs to the state but is not trained."""
        self._buffers[name] = value

    def add_module(self, name: str, module: Module) -> None:
        """A submodule under a name, also one that is no identifier."""
        if not isinstance(module, Module):
            raise TypeError(f"'{name}' must be a Module, not {type(module).__name__}")
        self._modules[name] = module

    # ---- walking -----------------------------------------------------------------------------------------------------

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it, each once, with dotted names."""
        yield from self._walk(prefix, set())

    def _walk(self, prefix: str, seen: set[int]) -> Iterator[tuple[str, Module]]:
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, module in self._modules.items():
            yield from module._walk(f"{prefix}.{name}" if prefix else name, seen)

    def _named(self, table: str) -> Iterator[tuple[str, Any]]:
        seen = set()
        for prefix, module in self.named_modules():
            for name, value in module.__dict__[table].items():
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{prefix}.{name}" if prefix else name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        return self._named("_parameters")

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        return self._named("_buffers")

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return iter(self._modules.items())

    def children(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def parameters(self) -> Iterator[Parameter]:
        return (value for _, value in self.named_parameters())

    def buffers(self) -> Iterator[Tensor]:
        return (value for _, value in self.named_buffers())

    # ---- state -------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters and buffers by name; they share memory with the module."""
        return {name: value.detach() for name, value in (*self.named_parameters(), *self.named_buffers())}

    def load_state_dict(self, state: dict[str, Tensor], strict: bool = True) -> None:
        """Copies values in by name. Names (if strict) and shapes must be the module's, else nothing is changed."""
        own = self.state_dict()
        missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if strict and (missing or unexpected):
            raise KeyError(f"load_state_dict: missing {missing or 'nothing'}, unexpected {unexpected or 'nothing'}")
        wrong = [
            f"{n}: {own[n].shape} here, {tuple(state[n].shape)} given"
            for n in own.keys() & state.keys()
            if own[n].shape != tuple(state[n].shape)
        ]
        if wrong:
            raise ValueError("load_state_dict: shapes differ: " + "; ".join(sorted(wrong)))
        with no_grad():
            for name in own.keys() & state.keys():
                own[name][...] = state[name]

    def train(self, mode: bool = True) -> Module:
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        return self

    def eval(self) -> Module:
        return self.train(False)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in self.parameters():
            clear_grad(parameter, set_to_none)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def to(self, dtype) -> Module:
        """Converts floating parameters and buffers to a dtype."""
        for module in self.modules():
            for table in (module._parameters, module._buffers):
                for name, value in table.items():
                    if value is not None and value.dtype.is_floating_point and value.dtype is not dtype:
                        made = astype(value.detach(), dtype)
                        table[name] = Parameter(made, value.requires_grad) if isinstance(value, Parameter) else made
        return self

    def apply(self, function: Callable[[Module], Any]) -> Module:
        """function(module) on all submodules, then on this one."""
        for module in self.children():
            module.apply(function)
        function(self)
        return self

    # ---- printing ----------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses of repr()."""
        return ""

    def __repr__(self) -> str:
        if not self._modules:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = []
        for name, module in self._modules.items():
            lines.append(f"  ({name}): " + repr(module).replace("\n", "\n  "))
        return f"{type(self).__name__}({self.extra_repr()}\n" + "\n".join(lines) + "\n)"


def clear_grad(parameter: Tensor, set_to_none: bool) -> None:
    """Forgets a gradient, or sets it to zeros."""
    if parameter.grad is None or set_to_none:
        parameter.grad = None
    else:
        parameter.grad[...] = 0
