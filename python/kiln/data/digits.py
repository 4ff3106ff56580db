"""scikit-learn's digits: 1,797 real handwritten digits of 8x8 pixels (Alpaydin and Kaynak 1998), which come with the package."""

import numpy as np

from kiln.data.mnist import Split


def digits(test_fraction: float = 0.2, seed: int = 0) -> Split:
    """The digits, pixels in [-1, 1], split at random into training and test images. ImportError without scikit-learn."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("kiln.data.digits needs scikit-learn: pip install scikit-learn") from error
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    images = (data.images[order, None] / 8 - 1).astype(np.float32)
    labels = data.target[order].astype(np.int64)
    count = round(len(labels) * test_fraction)
    return Split("scikit-learn's digits", images[count:], labels[count:], images[:count], labels[:count])
