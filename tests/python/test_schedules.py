"""Schedules of learning rates, and gradients cut down before a step."""

import math

import pytest

import kiln as kn
from kiln.nn.utils import clip_grad_norm_, clip_grad_value_
from kiln.optim import lr_scheduler as schedules


def optimizer(*rates):
    return kn.optim.SGD([{"params": [kn.ones(1).requires_grad_()], "lr": r} for r in rates or (1.0,)])


def rates(scheduler, steps):
    found = [scheduler.get_last_lr()[0]]
    for _ in range(steps):
        scheduler.step()
        found.append(scheduler.get_last_lr()[0])
    return found


def test_rates_step_by_step():
    assert rates(schedules.StepLR(optimizer(), 2, 0.5), 5) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert rates(schedules.ExponentialLR(optimizer(), 0.5), 3) == [1, 0.5, 0.25, 0.125]
    assert rates(schedules.LinearLR(optimizer(), 0.5, 1.0, 2), 3) == [0.5, 0.75, 1, 1]
    assert rates(schedules.LambdaLR(optimizer(), lambda n: 1 / (n + 1)), 3) == [1, 1 / 2, 1 / 3, 1 / 4]
    cosine = rates(schedules.CosineAnnealingLR(optimizer(), 4, eta_min=0.2), 4)
    assert cosine == [0.2 + 0.8 * (1 + math.cos(math.pi * n / 4)) / 2 for n in range(5)]


def test_groups_have_rates_of_their_own():
    o = optimizer(1.0, 10.0)
    s = schedules.LambdaLR(o, [lambda n: 0.5**n, lambda n: 1.0])
    s.step()
    assert s.get_last_lr() == [0.5, 10]
    with pytest.raises(ValueError, match="1 functions for 2 groups"):
        schedules.LambdaLR(o, [abs])


def test_state_goes_on_elsewhere():
    s = schedules.StepLR(optimizer(), 1, 0.5)
    rates(s, 3)
    other = schedules.StepLR(optimizer(7.0), 1, 0.5)
    other.load_state_dict(s.state_dict())
    assert other.get_last_lr() == [0.125] and rates(other, 1)[-1] == 0.0625
    with pytest.raises(ValueError, match="1 groups given, 2 groups here"):
        schedules.StepLR(optimizer(1.0, 2.0), 1).load_state_dict(s.state_dict())


def test_wrong_schedules():
    with pytest.raises(TypeError, match="StepLR changes an optimiser, not a int"):
        schedules.StepLR(3, 1)
    for make, said in (
        (lambda o: schedules.StepLR(o, 0), "step_size must be at least 1"),
        (lambda o: schedules.LinearLR(o, total_iters=0), "total_iters must be at least 1"),
        (lambda o: schedules.CosineAnnealingLR(o, 0), "T_max must be at least 1"),
    ):
        with pytest.raises(ValueError, match=said):
            make(optimizer())
    with pytest.raises(NotImplementedError, match="defines no rate"):
        schedules.LRScheduler(optimizer())


def parameters():
    a, b, c = (kn.asarray(v).requires_grad_() for v in ([3.0, 0.0], [[4.0]], [1.0]))
    a.grad, b.grad = kn.asarray([3.0, 0.0]), kn.asarray([[-4.0]])
    return [a, b, c]


def test_norms_are_cut():
    ps = parameters()
    assert clip_grad_norm_(ps, 10.0).item() == 5 and ps[0].grad.tolist() == [3, 0]
    assert clip_grad_norm_(iter(ps), 2.5).item() == 5
    assert ps[0].grad.tolist() == pytest.approx([1.5, 0], rel=1e-6) and ps[1].grad.tolist() == [pytest.approx([-2], rel=1e-6)]
    assert clip_grad_norm_(parameters(), 1.0, float("inf")).item() == 4
    assert clip_grad_norm_(parameters(), 1.0, 1).item() == 7
    assert clip_grad_norm_(ps[2], 1.0).item() == 0


def test_values_are_cut():
    ps = parameters()
    clip_grad_value_(ps, 2.0)
    assert ps[0].grad.tolist() == [2, 0] and ps[1].grad.tolist() == [[-2]]


def test_wrong_clipping():
    ps = parameters()
    ps[0].grad = kn.asarray([float("nan"), 0.0])
    with pytest.raises(RuntimeError, match=r"norm of order 2\.0 is nan"):
        clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)
    assert ps[1].grad.tolist() == [[-4]]
    with pytest.raises(ValueError, match="norm_type must be positive"):
        clip_grad_norm_(ps, 1.0, 0)
    with pytest.raises(ValueError, match="must not be negative"):
        clip_grad_value_(ps, -1.0)
    with pytest.raises(TypeError, match="takes tensors, not a int"):
        clip_grad_norm_([1], 1.0)
