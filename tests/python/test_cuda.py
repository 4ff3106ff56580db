"""CUDA without a GPU: kernels are shown as source, and asking for the device says what is missing."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import kiln as kn


def tensor(*shape):
    return kn.asarray(np.linspace(-2, 2, int(np.prod(shape)), dtype=np.float32).reshape(shape))


def test_a_fused_function_is_shown_as_one_cuda_kernel():
    f = kn.jit(lambda a, b: kn.relu(a * b + 1))
    text = f.lower(tensor(100), tensor(100)).as_text("cuda")
    assert text.count("__global__") == 1 and "#include" not in text
    assert re.search(r"v\d+ = __fmul_rn\(v\d+, v\d+\);\s*const f32 v\d+ = __fadd_rn", text)
    assert "move_vector<16>" in text  # four neighbours at once
    assert text.startswith("// ")  # which operators the kernel holds


def test_a_softmax_keeps_its_row():
    f = kn.jit(lambda x: kn.softmax(x, axis=1))
    text = f.lower(tensor(8, 50)).as_text("cuda")
    assert text.count("__global__") == 1
    assert "fold_halves<f32, combine_max_f32>" in text and "fold_halves<f32, combine_add_f32>" in text
    assert "a.kept" in text


def test_each_kernel_is_a_source_of_its_own():
    f = kn.jit(lambda x: kn.sum(kn.sum(x, axis=0) * 2))
    lowered = f.lower(tensor(300, 50))
    sources = [s for s in lowered.as_text("cuda").split("\n// ") if "__global__" in s]
    assert len(sources) == lowered.as_text("kernels").count("kernel rank=")
    assert all("typedef float f32;" in s for s in sources)


def test_an_unknown_form_names_those_there_are():
    f = kn.jit(lambda x: x * 2)
    with pytest.raises(ValueError, match=r"asm, llvm, cuda, ptx"):
        f.lower(tensor(5)).as_text("opencl")


def test_ptx_rounds_every_operation_by_itself():
    text = kn.jit(lambda a, b: a * b + 1).lower(tensor(100), tensor(100)).as_text("ptx")
    assert "mul.rn.f32" in text and "add.rn.f32" in text and "fma" not in text and "ld.global.v4" in text


def test_a_missing_compiler_is_named_with_the_remedy():
    program = "import kiln as kn\nkn.jit(lambda x: x * 2).lower(kn.ones(3)).as_text('ptx')"
    environment = {**os.environ, "KILN_NVRTC": "/nowhere/libnvrtc.so"}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "RuntimeError: compiling CUDA source needs NVRTC: pip install nvidia-cuda-nvrtc, or set KILN_NVRTC" in ran.stderr
    assert "/nowhere/libnvrtc.so" in ran.stderr


driverless = pytest.mark.skipif(os.path.exists("/dev/nvidiactl"), reason="this machine has an NVIDIA driver")
WHAT = r"there is no NVIDIA driver on this machine \(libcuda\.so\.1: .*\); kernels run on the CPU"


@driverless
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_the_device_says_what_is_missing(device):
    with pytest.raises(RuntimeError, match=rf"asarray\(device='{device}'\): {WHAT}"):
        kn.asarray([1.0], device=device)


@driverless
def test_the_back_end_says_what_is_missing():
    with pytest.raises(RuntimeError, match=rf"backend 'cuda': {WHAT}"):
        kn.jit(lambda x: x, backend="cuda")
    with pytest.raises(RuntimeError, match=rf"backend 'cuda': {WHAT}"):
        kn.config.backend = "cuda"
    assert kn.config.backend == "auto"


@driverless
def test_the_variable_says_what_is_missing():
    program = "import kiln as kn\nkn.ones(3) + 1"
    ran = subprocess.run([sys.executable, "-c", program], env={**os.environ, "KILN_BACKEND": "cuda"}, capture_output=True, text=True)
    assert ran.returncode == 1 and re.search(rf"KILN_BACKEND is cuda: {WHAT}", ran.stderr)


def test_kernels_are_logged_once_each(tmp_path):
    program = "import kiln as kn\nf = kn.jit(lambda x: kn.exp(x) * 2)\nfor i in range(3): f(kn.ones(5 + i)).numpy()"
    for _ in range(2):  # another process finds the files there
        subprocess.run([sys.executable, "-c", program], env={**os.environ, "KILN_KERNEL_LOG": str(tmp_path)}, check=True)
    files = sorted(tmp_path.iterdir())
    assert files and all(f.suffix == ".kernel" for f in files)
    texts = [f.read_text() for f in files]
    assert len(set(texts)) == len(texts) and all(t.startswith("kernel rank=") for t in texts)
