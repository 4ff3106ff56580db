"""Files from the network: each is checked against its SHA-256 and appears under its name only when it is whole."""

import hashlib
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path

from kiln._files import replacing

MNIST_BASE = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def download(
    url: str,
    path: str | os.PathLike,
    sha256: str,
    *,
    timeout: float = 30.0,
    progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """Fetches `url` into `path` unless a file with that SHA-256 is there already.

    OSError if the server cannot be reached or stops early, ValueError if what came has another checksum; `path` is then as it was.
    `progress` is called with the bytes received and, where the server says it, their total.
    """
    path = Path(path)
    if path.is_file() and _digest(path) == sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with replacing(path) as file:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            announced = response.headers.get("Content-Length")
            total = int(announced) if announced and announced.isdigit() else None
            received = 0
            while chunk := response.read(1 << 16):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                if progress:
                    progress(received, total)
        if total is not None and received != total:
            raise OSError(f"{url}: the connection ended after {received} of {total} bytes")
        if digest.hexdigest() != sha256:
            raise ValueError(f"{url}: expected SHA-256 {sha256}, received {digest.hexdigest()}")
    return path


def download_mnist(
    folder: str | os.PathLike,
    *,
    base: str = MNIST_BASE,
    checksums: dict[str, str] = MNIST_SHA256,
    progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """MNIST's four files, fetched into `folder`."""
    for name, sha256 in checksums.items():
        download(base + name, Path(folder, name), sha256, progress=progress)
    return Path(folder)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
