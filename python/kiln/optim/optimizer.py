"""What optimisers share: groups of parameters with their own settings, state per parameter, saving and loading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kiln._core import Tensor
from kiln.nn.module import clear_grad


class Optimizer:
    """Base of optimisers: `param_groups` is a list of dicts, each with its "params" and settings; `state` is by parameter."""

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("an optimiser takes an iterable of tensors or of dicts, not one tensor: write [x]")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[int, dict[str, Tensor]] = {}  # by id(parameter), which param_groups keeps alive
        groups = list(params)
        if not groups:
            raise ValueError("an optimiser needs at least one parameter")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Parameters with settings of their own; what is not given is as the others have it."""
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"an optimiser changes tensors, not {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("an optimiser changes leaf tensors, not an operator's result on the tape")
            if id(p) in known:
                raise ValueError("a parameter is in one group, once")
            known.add(id(p))
        unknown = group.keys() - self.defaults.keys() - {"params"}
        if unknown:
            raise TypeError(f"{type(self).__name__} has no setting {', '.join(sorted(unknown))}")
        self.param_groups.append({**self.defaults, **group, "params": params})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients, or (with False) sets them to zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                clear_grad(p, set_to_none)

    def step(self) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Settings and state; parameters are numbered in the order of the groups."""
        order = {id(p): i for i, p in enumerate(p for g in self.param_groups for p in g["params"])}
        groups, first = [], 0
        for group in self.param_groups:
            settings = {k: v for k, v in group.items() if k != "params"}
            groups.append({**settings, "params": list(range(first, first + len(group["params"])))})
            first += len(group["params"])
        return {"state": {order[key]: dict(value) for key, value in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over settings and state from an optimiser of the same groups."""
        sizes = [len(g["params"]) for g in state["param_groups"]], [len(g["params"]) for g in self.param_groups]
        if sizes[0] != sizes[1]:
            raise ValueError(f"load_state_dict: groups of {sizes[0]} parameters given, groups of {sizes[1]} here")
        params = [p for g in self.param_groups for p in g["params"]]
        for group, given in zip(self.param_groups, state["param_groups"], strict=True):
            group.update({k: v for k, v in given.items() if k != "params"})
        self.state = {id(params[i]): {k: v.clone() for k, v in value.items()} for i, value in state["state"].items()}

    def __repr__(self) -> str:
        settings = (", ".join(f"{k}={v}" for k, v in g.items() if k != "params") for g in self.param_groups)
        return "\n".join(f"{type(self).__name__}({text})" for text in settings)
