"""MNIST (LeCun, Cortes and Burges): 28x28 images of handwritten digits, from IDX files in a folder."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kiln.data.idx import read_idx

FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
MEAN, DEVIATION = 0.1307, 0.3081  # of the training set's pixels in [0, 1]


@dataclass(frozen=True)
class Split:
    """A data set in two parts: images (N, 1, H, W) of float32, labels (N,) of int64."""

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def find(folder: str | os.PathLike | None = None) -> Path | None:
    """The folder that holds MNIST's four files (gzipped or not): `folder`, else what KILN_DATA names; None if they are not there."""
    folder = folder or os.environ.get("KILN_DATA")
    if not folder:
        return None
    for candidate in (Path(folder), Path(folder, "mnist")):
        if all(_file(candidate, name) for name in FILES.values()):
            return candidate
    return None


def mnist(folder: str | os.PathLike | None = None) -> Split:
    """MNIST, its pixels normalised. FileNotFoundError if the files are not there, ValueError if they are damaged or are not MNIST."""
    found = find(folder)
    if found is None:
        where = folder or os.environ.get("KILN_DATA") or "nowhere: no folder was given and KILN_DATA is not set"
        raise FileNotFoundError(f"MNIST needs {', '.join(FILES.values())} (or .gz); looked in {where}")
    parts = {key: read_idx(_file(found, name)) for key, name in FILES.items()}
    for part in ("train", "test"):
        _check(found, parts[f"{part}_images"], parts[f"{part}_labels"], part)
    return Split(
        name="MNIST",
        train_images=_normalise(parts["train_images"]),
        train_labels=parts["train_labels"].astype(np.int64),
        test_images=_normalise(parts["test_images"]),
        test_labels=parts["test_labels"].astype(np.int64),
    )


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _check(folder: Path, images: np.ndarray, labels: np.ndarray, part: str) -> None:
    if images.ndim != 3 or images.shape[1:] != (28, 28) or images.dtype != np.uint8:
        raise ValueError(
            f"{folder}: MNIST's {part} images are uint8 of shape (N, 28, 28), these are {images.dtype.name} of shape {images.shape}"
        )
    if labels.shape != images.shape[:1] or labels.dtype != np.uint8:
        raise ValueError(
            f"{folder}: {len(images)} {part} images need as many uint8 labels, these are {labels.dtype.name} of shape {labels.shape}"
        )
    if labels.size and labels.max() > 9:
        raise ValueError(f"{folder}: MNIST's labels are 0 to 9, the {part} labels go up to {labels.max()}")


def _normalise(images: np.ndarray) -> np.ndarray:
    return ((images[:, None].astype(np.float32) / 255 - MEAN) / DEVIATION).astype(np.float32)
