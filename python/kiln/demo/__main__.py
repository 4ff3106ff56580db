"""Arguments, data, one process for each run, and the report."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from kiln.data.digits import digits
from kiln.data.download import download_mnist
from kiln.data.mnist import Split, find, mnist
from kiln.demo.models import IMAGE_SIZE, MODELS
from kiln.demo.report import Run, compare_weights, plot, table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m kiln.demo", description="Trains a network on handwritten digits, eagerly and compiled, and compares."
    )
    parser.add_argument("--model", choices=MODELS, help="default: cnn on MNIST, small on the 8x8 digits")
    parser.add_argument("--data", type=Path, help="folder with MNIST's IDX files (default: what KILN_DATA names)")
    parser.add_argument("--download", action="store_true", help="fetch MNIST into --data (default: ~/.cache/kiln/mnist)")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, help="stop after this many steps")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="default: all CPUs")
    parser.add_argument(
        "--backend", choices=["auto", "interpreter", "asmjit", "llvm"], default="auto", help="what runs the compiled run's kernels"
    )
    parser.add_argument("--only", choices=["eager", "compiled", "torch"], nargs="+", help="leave the other runs out")
    parser.add_argument("--plot", type=Path, default=Path("kiln-demo.png"))
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    given = parser.parse_args()
    for name in ("epochs", "steps", "batch", "threads"):
        if getattr(given, name) is not None and getattr(given, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return given


def load_data(given: argparse.Namespace) -> Split:
    """MNIST where it is, or is fetched to; else scikit-learn's digits, saying so."""
    if given.download:
        folder = given.data or Path(os.environ.get("KILN_DATA") or Path.home() / ".cache" / "kiln" / "mnist")
        print(f"fetching MNIST into {folder}")
        return mnist(download_mnist(folder))
    if given.data or find():
        return mnist(given.data)
    print("MNIST is not here (--download fetches it, --data or KILN_DATA say where it is): training on scikit-learn's 8x8 digits instead")
    return digits()


def main() -> int:
    given = arguments()
    data = load_data(given)
    size = data.train_images.shape[-1]
    model = given.model or ("cnn" if size == 28 else "small")
    if IMAGE_SIZE[model] != size:
        print(f"--model {model} is for {IMAGE_SIZE[model]}x{IMAGE_SIZE[model]} images, {data.name} has {size}x{size}", file=sys.stderr)
        return 2
    per_epoch = len(data.train_labels) // given.batch
    if per_epoch == 0:
        print(f"--batch {given.batch} is more than the {len(data.train_labels)} training images", file=sys.stderr)
        return 2
    steps = min(given.epochs * per_epoch, given.steps or sys.maxsize)
    print(
        f"{data.name}: {len(data.train_labels):,} images to train, {len(data.test_labels):,} to test; "
        f"model {model}, SGD with rate {given.lr} and momentum {given.momentum}, batch {given.batch}, {steps:,} steps"
    )

    modes = given.only or ["eager", "compiled"] + (["torch"] if importlib.util.find_spec("torch") else [])
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="kiln-demo-") as folder:
        arrays = Path(folder, "data.npz")
        np.savez(
            arrays,
            train_images=data.train_images,
            train_labels=data.train_labels,
            test_images=data.test_images,
            test_labels=data.test_labels,
        )
        weights = ""
        for mode in modes:
            label = {"torch": "PyTorch"}.get(mode, mode)
            result = Path(folder, f"{mode}.npz")
            settings = Path(folder, f"{mode}.json")
            settings.write_text(
                json.dumps(
                    {
                        "mode": mode,
                        "label": label,
                        "model": model,
                        "data": str(arrays),
                        "result": str(result),
                        "weights": weights,  # all runs start from those of the first
                        "steps": steps,
                        "batch": given.batch,
                        "lr": given.lr,
                        "momentum": given.momentum,
                        "seed": given.seed,
                        "threads": given.threads,
                        "quiet": given.quiet,
                    }
                )
            )
            environment = dict(os.environ)
            if mode == "compiled" and given.backend != "auto":
                environment["KILN_BACKEND"] = given.backend
            worker = Path(__file__).with_name("worker.py")
            if subprocess.run([sys.executable, str(worker), str(settings)], env=environment, check=False).returncode != 0:
                print(f"the {label} run failed", file=sys.stderr)
                return 1
            runs.append(Run(mode, label, result))
            weights = weights or str(result)

    print("\n" + table(runs) + "\n")
    by_mode = {run.mode: run for run in runs}
    same = True
    if "eager" in by_mode and "compiled" in by_mode:
        same, line = compare_weights(by_mode["eager"], by_mode["compiled"])
        print(line)
    plot(runs, f"{data.name}, model {model}, {steps:,} steps of {given.batch} images", given.plot)
    print(f"loss over time: {given.plot}")
    if given.json:
        figures = {r.mode: {k: getattr(r, k) for k in ("version", "step_ms", "first_ms", "peak_bytes", "accuracy")} for r in runs}
        given.json.write_text(json.dumps({"model": model, "data": data.name, "steps": steps, "identical": same, "runs": figures}, indent=1))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
