"""What has to happen before the first operator: telling the core where libraries of other packages are."""

import os
import sysconfig
from pathlib import Path

from kiln import _core


def _dnnl() -> Path | None:
    """The library that the package `onednn-cpu-gomp` puts into this environment."""
    found = sorted(Path(sysconfig.get_path("data"), "lib").glob("libdnnl.so*"))
    return found[0] if found else None


def _nvrtc() -> Path | None:
    """The library that the package `nvidia-cuda-nvrtc` puts into this environment."""
    found = sorted(Path(sysconfig.get_path("purelib"), "nvidia").glob("*/lib/libnvrtc.so.*"))
    return found[0] if found else None


if "KILN_NVRTC" not in os.environ and (path := _nvrtc()) is not None:
    _core.set_nvrtc_path(str(path))
if "KILN_DNNL" not in os.environ and (path := _dnnl()) is not None:
    _core.set_dnnl_path(str(path))
