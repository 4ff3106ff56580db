"""Files of images: whole, damaged, foreign, and from the network; batches."""

import gzip
import hashlib
import http.server
import struct
import threading
from typing import ClassVar

import numpy as np
import pytest

import kiln as kn
from kiln.data.download import download_mnist
from kiln.data.mnist import FILES


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    return struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(folder, train=20, test=10, packed=True):
    random = np.random.default_rng(0)
    for part, count in (("train", train), ("test", test)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = random.integers(0, 10, count, dtype=np.uint8)
        for kind, array in (("images", images), ("labels", labels)):
            content = idx(array)
            name = FILES[f"{part}_{kind}"]
            (folder / (name + ".gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_round_trip(tmp_path, code, dtype, packed):
    a = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(idx(a, code)) if packed else idx(a, code))
    b = kn.data.read_idx(path)
    assert b.dtype == a.dtype.newbyteorder("=") and np.array_equal(a, b) and b.flags.writeable


GOOD = idx(np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "magic number of 4 bytes, this one has 0 bytes"),
        (b"PK\x03\x04 something else", "not an IDX file: it starts with 50 4b 03 04"),
        (b"\0\0\x07\x01" + bytes(8), "not an IDX file"),
        (GOOD[:7], "cut off in its header: 2 dimensions need 12 bytes, found 7"),
        (GOOD[:-1], r"cut off: shape \(2, 3\) of uint8 needs 6 bytes after the header, found 5"),
        (GOOD + b"\0", "longer than its header says"),
        (gzip.compress(GOOD)[:-6], "damaged or cut-off gzip file"),
        (gzip.compress(GOOD)[:-8] + bytes(8), "damaged or cut-off gzip file"),
    ],
)
def test_damaged_and_foreign_files_are_named(tmp_path, content, message):
    path = tmp_path / "images-idx3"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"images-idx3: .*{message}"):
        kn.data.read_idx(path)


def test_mnist(tmp_path, monkeypatch):
    write_mnist(tmp_path)
    for data in (kn.data.mnist(tmp_path), (monkeypatch.setenv("KILN_DATA", str(tmp_path)), kn.data.mnist())[1]):
        assert data.train_images.shape == (20, 1, 28, 28) and data.train_images.dtype == np.float32
        assert data.test_labels.shape == (10,) and data.test_labels.dtype == np.int64
        assert abs(data.train_images.mean()) < 3
    write_mnist(tmp_path, packed=False)
    assert len(kn.data.mnist(tmp_path).train_labels) == 20


def test_mnist_that_is_missing_or_wrong(tmp_path, monkeypatch):
    monkeypatch.delenv("KILN_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte"):
        kn.data.mnist(tmp_path)
    with pytest.raises(FileNotFoundError, match="KILN_DATA is not set"):
        kn.data.mnist()
    write_mnist(tmp_path, packed=False)
    labels = tmp_path / FILES["train_labels"]
    labels.write_bytes(idx(np.zeros(19, np.uint8)))
    with pytest.raises(ValueError, match=r"20 train images need as many uint8 labels.*\(19,\)"):
        kn.data.mnist(tmp_path)
    labels.write_bytes(idx(np.full(20, 10, np.uint8)))
    with pytest.raises(ValueError, match="0 to 9"):
        kn.data.mnist(tmp_path)
    (tmp_path / FILES["train_images"]).write_bytes(idx(np.zeros((20, 8, 8), np.uint8)))
    with pytest.raises(ValueError, match=r"\(N, 28, 28\)"):
        kn.data.mnist(tmp_path)


def test_digits():
    pytest.importorskip("sklearn", reason="scikit-learn not installed")
    data = kn.data.digits()
    assert data.train_images.shape == (1438, 1, 8, 8) and len(data.test_labels) == 359
    assert data.train_images.min() == -1 and data.train_images.max() == 1 and set(data.test_labels) == set(range(10))


class Server(http.server.BaseHTTPRequestHandler):
    files: dict[str, bytes]
    cut = 0  # bytes to leave out at the end

    def do_GET(self):
        content = self.files.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) - self.cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    class Own(Server):
        files: ClassVar = {}

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Own) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield Own, f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


def test_download(server, tmp_path):
    handler, base = server
    content = bytes(range(256)) * 1000
    handler.files["a"] = content
    sha = hashlib.sha256(content).hexdigest()
    seen = []
    path = kn.data.download(base + "a", tmp_path / "new" / "a", sha, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == content and seen[-1] == (len(content), len(content))
    handler.files.clear()
    assert kn.data.download(base + "a", path, sha) == path  # there already: not fetched again
    with pytest.raises(OSError, match="404"):
        kn.data.download(base + "b", tmp_path / "b", sha)


def test_corrupt_and_cut_off_downloads_leave_nothing(server, tmp_path):
    handler, base = server
    good = b"x" * 100_000
    handler.files["a"] = b"y" + good[1:]
    sha = hashlib.sha256(good).hexdigest()
    with pytest.raises(ValueError, match=f"expected SHA-256 {sha}, received"):
        kn.data.download(base + "a", tmp_path / "a", sha)
    handler.files["a"], handler.cut = good, 1000
    with pytest.raises(OSError, match=r"99000 of 100000|IncompleteRead"):
        kn.data.download(base + "a", tmp_path / "a", sha)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").write_bytes(b"older")
    with pytest.raises(OSError):
        kn.data.download(base + "a", tmp_path / "a", sha)
    assert (tmp_path / "a").read_bytes() == b"older"


def test_mnist_is_fetched_and_read(server, tmp_path):
    handler, base = server
    (tmp_path / "there").mkdir()
    write_mnist(tmp_path / "there")
    handler.files |= {path.name: path.read_bytes() for path in (tmp_path / "there").iterdir()}
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in handler.files.items()}
    folder = download_mnist(tmp_path / "here", base=base, checksums=checksums)
    assert len(kn.data.mnist(folder).train_labels) == 20


def test_batches():
    images, labels = np.arange(10.0).reshape(10, 1), np.arange(10)
    plain = kn.data.batches(images, labels, batch_size=4)
    assert len(plain) == 3 and [y.tolist() for _, y in plain] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert all((x.numpy()[:, 0] == y.numpy()).all() for x, y in plain)
    assert len(kn.data.batches(labels, batch_size=4, drop_last=True)) == 2

    def orders(seed):
        shuffled = kn.data.batches(labels, batch_size=10, shuffle=True, seed=seed)
        return [next(iter(shuffled))[0].tolist() for _ in range(2)]

    first, second = orders(1)
    assert sorted(first) == labels.tolist() and first != second and orders(1) == [first, second] and orders(2) != [first, second]
    with pytest.raises(ValueError, match="different lengths"):
        kn.data.batches(images, labels[:3], batch_size=1)
    with pytest.raises(ValueError, match="at least 1"):
        kn.data.batches(labels, batch_size=0)
