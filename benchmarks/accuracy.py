"""Does training with Kiln reach PyTorch's accuracy? Trains the demo's network with several seeds, each in eager, compiled and PyTorch runs.

    python benchmarks/accuracy.py --seeds 0 1 2 -- --epochs 3

Arguments after -- go to `python -m kiln.demo`. Fails if eager's and compiled weights differ in any bit, if Kiln's mean accuracy is more
than 0.3 points below PyTorch's, or below 97 %.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--points", type=float, default=0.3, help="how far below PyTorch's mean is still fine")
    parser.add_argument("--least", type=float, default=97.0, help="least mean accuracy, percent")
    parser.add_argument("demo", nargs="*", help="arguments of kiln.demo")
    options = parser.parse_args()
    accuracies: dict[str, list[float]] = {}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.json")
            files = ["--json", str(report), "--plot", str(Path(folder, "loss.png"))]
            subprocess.run([sys.executable, "-m", "kiln.demo", "--seed", str(seed), *files, *options.demo], check=True)
            for label, run in json.loads(report.read_text())["runs"].items():
                accuracies.setdefault(label, []).append(100 * run["accuracy"])
    print(f"\n{'':<10}" + "".join(f"{f'seed {seed}':>10}" for seed in options.seeds) + f"{'mean':>10}")
    for label, values in accuracies.items():
        print(f"{label:<10}" + "".join(f"{v:>10.2f}" for v in values) + f"{statistics.mean(values):>10.2f}")
    means = {label: statistics.mean(values) for label, values in accuracies.items()}
    peer = means.get("torch")
    own = means["compiled"]
    if own < options.least:
        print(f"mean accuracy {own:.2f} % is below {options.least} %")
        return 1
    if peer is not None and own < peer - options.points:
        print(f"mean accuracy {own:.2f} % is more than {options.points} points below PyTorch's {peer:.2f} %")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
