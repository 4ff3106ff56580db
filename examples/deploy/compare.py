"""Holds what a new process, C++ and ONNX Runtime gave against the module that was exported: python compare.py FOLDER

Prints a line for each comparison and ends with status 1 if any of them fails.
"""

import sys
from pathlib import Path

import numpy as np

import kiln as kn

BATCHES = (1, 7, 64)
TOLERANCE = 1e-5  # of ONNX Runtime, whose operators are its own: max|a - b| over max|b|


def main(folder: Path) -> int:
    rows = []
    for who, name in (("a new Python process", "process"), ("C++", "cpp")):
        for batch in BATCHES:
            found, expected = (_floats(folder / f"{n}.{batch}.f32") for n in (name, "module"))
            rows.append((f"predictions of {who}, batch {batch}", *_same_bits([found], [expected])))
    for batch in BATCHES:
        found = _onnx(folder, batch).ravel()
        expected = _floats(folder / f"module.{batch}.f32")
        difference = float(np.abs(found - expected).max() / np.abs(expected).max()) if found.shape == expected.shape else np.inf
        verdict = f"max|a-b| is {difference:.1e} max|b|, {'within' if difference <= TOLERANCE else 'over'} {TOLERANCE:.0e}"
        rows.append((f"predictions of ONNX Runtime, batch {batch}", difference <= TOLERANCE, verdict))

    trained = {name: value.numpy() for name, value in kn.load(folder / "trained.kiln").state.items()}
    module = {name: value.numpy() for name, value in kn.load(folder / "module.npz").items()}
    rows.append(
        ("10 training steps in C++: losses", *_same_bits([_floats(folder / "cpp.losses.f32")], [_floats(folder / "module.losses.f32")]))
    )
    for what, chosen in (("weights", lambda n: not n.endswith("momentum_buffer")), ("momenta", lambda n: n.endswith("momentum_buffer"))):
        found, expected = ([state[n] for n in sorted(filter(chosen, state))] for state in (trained, module))
        rows.append((f"10 training steps in C++: {what}", *_same_bits(found, expected)))

    width = max(len(what) for what, _, _ in rows)
    print("\nheld against the module in Python:")
    for what, good, verdict in rows:
        print(f"  {what:<{width}}  {'ok   ' if good else 'WRONG'}  {verdict}")
    wrong = sum(not good for _, good, _ in rows)
    print(f"\n{wrong} of {len(rows)} comparisons failed" if wrong else f"\nall {len(rows)} comparisons hold")
    return 1 if wrong else 0


def _floats(path: Path) -> np.ndarray:
    return np.fromfile(path, np.float32)


def _same_bits(found: list[np.ndarray], expected: list[np.ndarray]) -> tuple[bool, str]:
    if [a.shape for a in found] != [b.shape for b in expected]:
        return False, f"shapes {[a.shape for a in found]} where {[b.shape for b in expected]} were expected"
    total = sum(b.size for b in expected)
    if total == 0:
        return False, "nothing to compare"
    different = sum(int((a.view(np.uint32) != b.view(np.uint32)).sum()) for a, b in zip(found, expected, strict=True))
    return different == 0, f"{total:,} numbers: " + (f"{different:,} differ in their bits" if different else "identical, bit for bit")


def _onnx(folder: Path, batch: int) -> np.ndarray:
    try:
        import onnxruntime
    except ImportError:
        sys.exit("compare.py: onnxruntime is missing: pip install onnxruntime")
    session = onnxruntime.InferenceSession(folder / "m.onnx", providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    images = np.fromfile(folder / "predict.f32", np.float32).reshape(-1, *image.shape[1:])
    return session.run(None, {image.name: images[:batch]})[0]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
