"""One training run in a process of its own, so that its time and memory are its own.

    python worker.py settings.json

reads the settings and the data file they name, trains, shows a progress bar, and writes weights and measurements to settings["result"].
Run by its path rather than as kiln.demo.worker: PyTorch's process must not load Kiln.
"""

import json
import statistics
import sys
import time

import numpy as np
from models import MODELS


class Kiln:
    """The library under its own words; `Torch` says the same in PyTorch's."""

    def __init__(self, settings):
        import kiln

        self.lib = kiln
        self.tensor = kiln.asarray
        kiln.manual_seed(settings["seed"])
        if settings["threads"]:
            kiln.set_num_threads(settings["threads"])

    def compile(self, step):
        return self.lib.jit(step)

    def array(self, tensor):
        return tensor.detach().numpy().copy()


class Torch(Kiln):
    def __init__(self, settings):
        import torch

        self.lib = torch
        self.tensor = torch.from_numpy
        torch.manual_seed(settings["seed"])
        if settings["threads"]:
            torch.set_num_threads(settings["threads"])


def train(library, settings, data, progress):
    nn, functional = library.lib.nn, library.lib.nn.functional
    network = MODELS[settings["model"]](nn)
    if settings["weights"]:
        with np.load(settings["weights"]) as initial:
            network.load_state_dict({name: library.tensor(initial[f"initial/{name}"]) for name in network.state_dict()})
    initial = {name: library.array(value) for name, value in network.state_dict().items()}
    optimizer = library.lib.optim.SGD(network.parameters(), lr=settings["lr"], momentum=settings["momentum"])

    def step(images, labels):
        optimizer.zero_grad()
        loss = functional.nll_loss(functional.log_softmax(network(images), 1), labels)
        loss.backward()
        optimizer.step()
        return loss

    if settings["mode"] == "compiled":
        step = library.compile(step)

    losses, times = [], []
    for rows in batches(len(data["train_labels"]), settings):
        images, labels = library.tensor(data["train_images"][rows]), library.tensor(data["train_labels"][rows])
        start = time.perf_counter()
        losses.append(step(images, labels).item())
        times.append((time.perf_counter() - start) * 1e3)
        progress.set_postfix_str(f"loss {losses[-1]:.3f}", refresh=False)
        progress.update()

    correct = 0
    with library.lib.no_grad():
        for i in range(0, len(data["test_labels"]), 100):
            logits = network(library.tensor(data["test_images"][i : i + 100]))
            correct += int((library.array(logits).argmax(1) == data["test_labels"][i : i + 100]).sum())
    weights = {name: library.array(value) for name, value in network.state_dict().items()}
    return initial, weights, losses, times, correct / len(data["test_labels"])


def batches(rows, settings):
    """Row numbers of each batch, in an order that the seed gives: whole batches, epoch after epoch, up to the number of steps."""
    random = np.random.default_rng(settings["seed"])
    step = 0
    while True:
        order = random.permutation(rows)
        for i in range(0, rows - settings["batch"] + 1, settings["batch"]):
            if step == settings["steps"]:
                return
            yield order[i : i + settings["batch"]]
            step += 1


def peak_bytes():
    """The most memory this process has held (VmHWM, which starts at zero with the program, as ru_maxrss does not)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def main():
    with open(sys.argv[1]) as file:
        settings = json.load(file)
    with np.load(settings["data"]) as arrays:
        data = dict(arrays)
    from tqdm import tqdm

    library = (Torch if settings["mode"] == "torch" else Kiln)(settings)
    with tqdm(total=settings["steps"], desc=f"{settings['label']:<9}", unit="step", disable=settings["quiet"]) as progress:
        initial, weights, losses, times, accuracy = train(library, settings, data, progress)
    report = {
        "version": library.lib.__version__,
        "first_ms": times[0],
        "step_ms": statistics.median(times[1:] or times),
        "peak_bytes": peak_bytes(),
        "accuracy": accuracy,
    }
    if settings["mode"] != "torch":
        report["kernels"] = library.lib.kernel_counters()
    np.savez(
        settings["result"],
        report=json.dumps(report),
        losses=losses,
        seconds=np.cumsum(times) / 1e3,
        **{f"initial/{name}": value for name, value in initial.items()},
        **{f"weights/{name}": value for name, value in weights.items()},
    )


if __name__ == "__main__":
    main()
