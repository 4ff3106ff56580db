"""Uses an installed Kiln as a new user would, with nothing but the package; run by `script/prove wheel`."""

import numpy as np

import kiln as kn

assert "site-packages" in kn.__file__, kn.__file__


def gelu(x):
    return 0.5 * x * (1 + kn.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


def step(images, labels):
    optimizer.zero_grad()
    loss = kn.nn.functional.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss


random = np.random.default_rng(0)
x = kn.asarray(random.standard_normal(10_000, dtype=np.float32))
expected = gelu(x).numpy()
for backend in ("interpreter", "asmjit", "llvm"):
    found = kn.jit(gelu, backend=backend)(x).numpy()
    kn.wait_for_compiles()
    assert found.tobytes() == expected.tobytes(), f"{backend} and eager differ"
    print(f"{backend}: the same bits as eager")

nn = kn.nn
images = kn.asarray(random.random((16, 1, 8, 8), dtype=np.float32))
labels = kn.asarray(np.arange(16) % 10)
weights = []
for compiled in (False, True):
    kn.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10))
    optimizer = kn.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    train = kn.jit(step) if compiled else step
    losses = [train(images, labels).item() for _ in range(20)]
    assert losses[-1] < losses[0], losses
    weights.append([parameter.detach().numpy().tobytes() for parameter in network.parameters()])
assert weights[0] == weights[1], "trained eagerly and compiled, the weights differ"
print(f"a network trains: loss {losses[0]:.3f} to {losses[-1]:.3f}, eager and compiled the same bits")

program = kn.export(network, kn.spec(("batch", 1, 8, 8)))
program.check(images)
program.save("network.kiln")
assert kn.load("network.kiln")(images).numpy().tobytes() == network(images).detach().numpy().tobytes(), "a loaded program differs"
print("a program is exported, saved and loaded: the same bits")
