"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

from kiln._core import Tensor
from kiln._grad import no_grad
from kiln.optim.optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013 for Nesterov's), in torch's form and order of arithmetic:

    d = grad + weight_decay * p
    buffer = momentum * buffer + (1 - dampening) * d       (the first time: d)
    p -= lr * (d + momentum * buffer if nesterov else buffer)
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        for name, value in (("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"SGD: {name} must not be negative, it is {value}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("SGD: Nesterov's momentum needs momentum > 0 and dampening = 0")
        super().__init__(
            params,
            {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov},
        )

    @no_grad
    def step(self) -> None:
        """Changes every parameter that has a gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, p.grad, group)

    def _update(self, p: Tensor, d: Tensor, group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        if group["weight_decay"] != 0:
            d = d + p * group["weight_decay"]
        if momentum != 0:
            state = self.state.setdefault(id(p), {})
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = d.clone()
            else:
                buffer *= momentum
                buffer += d if group["dampening"] == 0 else d * (1 - group["dampening"])
            d = d + buffer * momentum if group["nesterov"] else buffer
        p -= d * group["lr"]
