"""What has to happen before the first operator: telling the core where oneDNN is."""

import os
import sysconfig
from pathlib import Path

from kiln import _core


def _dnnl() -> Path | None:
    """The library that the package `onednn-cpu-gomp` puts into this environment."""
    found = sorted(Path(sysconfig.get_path("data"), "lib").glob("libdnnl.so*"))
    return found[0] if found else None


if "KILN_DNNL" not in os.environ and (path := _dnnl()) is not None:
    _core.set_dnnl_path(str(path))
