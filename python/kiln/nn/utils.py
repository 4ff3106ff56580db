"""Gradients cut down in place before an optimiser's step, in torch's words."""

from __future__ import annotations

from collections.abc import Iterable

from kiln._core import Tensor
from kiln._grad import no_grad
from kiln._operators import abs, clip, isfinite, max, sqrt, stack, sum, zeros


@no_grad
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scales all gradients so that their norm, taken over all of them together, is at most max_norm; gives the norm they had.

    norm_type: the order of the norm, inf included. error_if_nonfinite: a norm that is infinite or NaN is a RuntimeError, and no gradient is
    changed.
    """
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type must be positive, it is {norm_type}")
    grads = _gradients("clip_grad_norm_", parameters)
    if not grads:
        return zeros(())
    if norm_type == float("inf"):
        norm = max(stack([max(abs(g)) for g in grads]))
    elif norm_type == 2:
        norm = sqrt(sum(stack([sum(g * g) for g in grads])))
    else:
        norm = sum(stack([sum(abs(g) ** norm_type) for g in grads])) ** (1 / norm_type)
    if error_if_nonfinite and not isfinite(norm):
        raise RuntimeError(
            f"clip_grad_norm_: the gradients' norm of order {norm_type} is {norm.item()}, which nothing scales to {max_norm}"
        )
    scale = clip(max_norm / (norm + 1e-6), None, 1.0)
    for g in grads:
        g *= scale
    return norm


@no_grad
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Cuts every element of the gradients to [-clip_value, clip_value]."""
    if clip_value < 0:
        raise ValueError(f"clip_grad_value_: clip_value must not be negative, it is {clip_value}")
    for g in _gradients("clip_grad_value_", parameters):
        g[...] = clip(g, -clip_value, clip_value)


def _gradients(what: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for p in tensors:
        if not isinstance(p, Tensor):
            raise TypeError(f"{what} takes tensors, not a {type(p).__name__}")
    return [p.grad for p in tensors if p.grad is not None]
