"""Training steps by replay: what they compute, and what they leave of gradients, versions and the tape, is what eager mode leaves."""

import time

import pytest

import kiln as kn
from kiln import _core

STEPS = 12


def network():
    kn.manual_seed(0)
    return kn.nn.Sequential(kn.nn.Linear(8, 8), kn.nn.ReLU(), kn.nn.Linear(8, 4))


def batches():
    x = kn.arange(32, dtype=kn.float32).reshape(4, 8) * 0.05
    return [(x + n * 0.1, kn.asarray([n % 4, 1, 2, 3])) for n in range(STEPS)]


def state_of(net):
    return [(p.tolist(), None if p.grad is None else p.grad.tolist(), p._version) for p in net.parameters()]


def run(make, captured, between=lambda net, n: None):
    """What every step gives and leaves, and the function."""
    net = network()
    step = make(net)
    f = kn.jit(step) if captured else step
    left = []
    for n, (x, labels) in enumerate(batches()):
        between(net, n)
        result = f(x, labels)
        left.append((None if result is None else result.tolist(), state_of(net)))
    return left, f


def loss_of(net, x, labels):
    return kn.nn.functional.cross_entropy(net(x), labels)


def sgd(net):
    optimizer = kn.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    def step(x, labels):
        optimizer.zero_grad()
        loss = loss_of(net, x, labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def accumulates(net):
    def step(x, labels):
        loss = loss_of(net, x, labels)
        loss.backward()
        return loss.detach()

    return step


def two_passes(net):
    """Of a retained graph: gradients meet in the tensors that the first pass made."""

    def step(x, labels):
        for p in net.parameters():
            p.grad = None
        loss = loss_of(net, x, labels)
        loss.backward(retain_graph=True)
        loss.backward()
        return loss.detach()

    return step


def gives_a_gradient(net):
    weight = net[0].weight

    def step(x, labels):
        for p in net.parameters():
            p.grad = None
        loss_of(net, x, labels).backward()
        return weight.grad

    return step


def looks_at_gradients(net):
    def step(x, labels):
        loss = loss_of(net, x, labels)
        loss.backward()
        total = sum(kn.sum(p.grad * p.grad) for p in net.parameters())
        with kn.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad / (total + 1)
                p.grad = None
        return total

    return step


def part_of_the_network(net):
    """Of the last layer there is no gradient to come."""
    net[2].weight.requires_grad = net[2].bias.requires_grad = False
    return sgd(net)


def keeps_its_tape(net):
    """What is given is on the tape: somebody may go on from there."""

    def step(x, labels):
        return kn.sum(net(x) * 0.5)

    return step


STEPS_OF = {
    f.__name__: f for f in (sgd, accumulates, two_passes, gives_a_gradient, looks_at_gradients, part_of_the_network, keeps_its_tape)
}


def replays(f, capsys):
    explanation = f.explain()
    capsys.readouterr()
    return explanation.replays


@pytest.mark.parametrize("make", STEPS_OF.values(), ids=STEPS_OF)
def test_a_step_leaves_what_eager_leaves(make, capsys):
    expected, _ = run(make, False)
    left, f = run(make, True)
    assert left == expected
    assert replays(f, capsys) >= STEPS - 4


def _take_gradients_away(net, n):
    if n in (6, 9):
        for p in net.parameters():
            p.grad = None


def _give_gradients(net, n):
    if n in (6, 9):
        for p in net.parameters():
            p.grad = kn.ones_like(p.detach()) * n


def _take_one_away(net, n):
    if n in (6, 9):
        net[0].bias.grad = None


def _freeze_a_layer(net, n):
    if n in (6, 9):
        net[0].weight.requires_grad = n != 6


def _share_a_gradient(net, n):
    """One tensor is the gradient of two parameters that have one shape."""
    if n == 7 and net[0].bias.grad is not None:
        extra = kn.zeros_like(net[0].bias.detach())
        net[0].bias.grad = extra
        net[0].weight.grad = kn.zeros((8, 8))


CHANGES = [_take_gradients_away, _give_gradients, _take_one_away, _freeze_a_layer, _share_a_gradient]


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__.strip("_"))
@pytest.mark.parametrize("make", [sgd, accumulates, two_passes], ids=lambda f: f.__name__)
def test_gradients_that_change_between_steps_are_seen(make, change):
    expected, _ = run(make, False, change)
    left, _ = run(make, True, change)
    assert left == expected


def test_an_old_gradient_that_somebody_keeps_stays_as_it_was():
    net = network()
    f = kn.jit(sgd(net))
    kept = []
    for x, labels in batches():
        f(x, labels)
        kept.append((net[0].weight.grad, net[0].weight.grad.tolist()))
    assert all(gradient.tolist() == values for gradient, values in kept)
    assert len({id(gradient) for gradient, _ in kept}) == STEPS


def test_what_is_given_with_its_tape_can_be_differentiated():
    net = network()
    f = kn.jit(keeps_its_tape(net))
    for n in range(STEPS):
        for p in net.parameters():
            p.grad = None
        x, labels = batches()[n]
        f(x, labels).backward()
        plain = network()
        keeps_its_tape(plain)(x, labels).backward()
        assert state_of(net) == state_of(plain)


def test_graphs_are_freed_after_a_replayed_step():
    net = network()
    loss = None

    @kn.jit
    def step(x, labels):
        nonlocal loss
        loss = loss_of(net, x, labels)
        loss.backward()

    for x, labels in batches():
        step(x, labels)
        with pytest.raises(RuntimeError, match="retain_graph"):
            loss.backward()


def test_a_step_that_froze_skips_its_operators():
    """What a frozen step costs is its checks and its program: far less than calling its operators."""
    net = network()
    step = sgd(net)
    f = kn.jit(step)
    x, labels = batches()[0]
    for _ in range(30):
        f(x, labels)

    def shortest(call):
        times = []
        for _ in range(300):
            start = time.perf_counter()
            call(x, labels)
            times.append(time.perf_counter() - start)
        return min(times)

    assert shortest(f) < 0.7 * shortest(step)


def test_hooks_are_called_whatever_froze_before():
    """A hook that is registered, replaced and removed between steps, on a parameter and on a result inside of the step."""
    called, scale = [], [1.0]
    net = network()

    def plain(x, labels):
        for p in net.parameters():
            p.grad = None
        hidden = net[0](x)
        hidden.register_hook(lambda gradient: gradient * scale[0])
        kn.nn.functional.cross_entropy(net[2](net[1](hidden)), labels).backward()

    f = kn.jit(plain)
    handle = None
    for n, (x, labels) in enumerate(batches() * 2):
        if n in (6, 14):
            handle = net[0].bias.register_hook(lambda gradient: called.append(1) or gradient * 2)
        if n == 10:
            handle.remove()
        scale[0] = 3.0 if n > 17 else 1.0
        f(x, labels)
        left = state_of(net)
        before = len(called)
        plain(x, labels)
        assert state_of(net) == left
        assert before == len(called) - (6 <= n < 10 or n >= 14)


class Settings:
    rate = 0.5


NUMBERS = (*(0.5, 0.25, 0.125, -0.0, 0.0, float("inf"), float("nan"), 1e300, 2**53 + 1, 3, 2, 1, 0, -1), True, False, 2**63, 2**70, 0.5, 7)


@pytest.mark.parametrize("dtype", [kn.float32, kn.float64, kn.int64, kn.int32, kn.bool], ids=str)
def test_numbers_that_change_are_what_they_are(dtype):
    """By all operators, on both sides, of every type, and again: one number's program serves another only where it would be the same."""
    settings = Settings()
    operators = [
        "x + {}",
        "x - {}",
        "{} - x",
        "x * {}",
        "x / {}",
        "{} / x",
        "x // {}",
        "x % {}",
        "x < {}",
        "x == {}",
        "x ** {}",
        "kn.maximum(x, {})",
    ]
    x = kn.asarray([0, 1, 1, 0]).astype(dtype)

    def outcome(f, arguments):
        try:
            result = f(*arguments)
        except Exception as error:
            return type(error), str(error)
        return result.dtype, result.shape, result.numpy().tobytes()

    for operator in operators:
        namespace = {"kn": kn, "settings": settings}
        exec(f"def f(x):\n    return {operator.format('settings.rate')}\ndef g(x, n):\n    return {operator.format('n')}", namespace)
        for function, takes in ((namespace["f"], False), (namespace["g"], True)):
            f = kn.jit(function)
            for number in (*NUMBERS, *NUMBERS[:4]):
                settings.rate = number
                for _ in range(2):
                    arguments = (x, number) if takes else (x,)
                    assert outcome(f, arguments) == outcome(function, arguments), (operator, number)


def test_a_rate_that_changes_is_given_to_the_program(capsys):
    def scheduled(net):
        optimizer = kn.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

        def step(x, labels):
            optimizer.zero_grad()
            loss = loss_of(net, x, labels)
            loss.backward()
            optimizer.step()
            optimizer.param_groups[0]["lr"] *= 0.75
            return loss.detach()

        return step

    eager, captured = run(scheduled, False), run(scheduled, True)
    assert captured[0] == eager[0]
    net = network()
    f = kn.jit(scheduled(net), mode="replay")
    for x, labels in batches() * 3:
        f(x, labels)
    assert f.explain().recordings == 2
    capsys.readouterr()
    if _core.counts_changes_of_dicts:
        assert sum(hits for *_, hits in _core.replay_witnesses(f)) > 20


def test_a_number_on_the_tape_is_in_the_gradients_too():
    settings = Settings()

    def step(x):
        x.grad = None
        y = kn.sum(x * settings.rate + settings.rate)
        y.backward()
        return x.grad

    f = kn.jit(step)
    for n in range(30):
        settings.rate = 0.5 + n // 2
        results = []
        for g in (step, f):
            x = kn.asarray([1.0, 2.0])
            x.requires_grad_()
            results.append(g(x).tolist())
        assert results[0] == results[1] == [settings.rate] * 2


def test_one_number_that_several_operators_take():
    settings = Settings()

    def f(x):
        y = x * settings.rate
        return kn.clip(y - settings.rate, 0.0, settings.rate), y / settings.rate, x[: int(settings.rate)]

    captured, x = kn.jit(f), kn.arange(6, dtype=kn.float32)
    for n in range(40):
        settings.rate = 1.0 + n * 0.125
        assert [t.tolist() for t in captured(x)] == [t.tolist() for t in f(x)]
