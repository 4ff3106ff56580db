"""Finds the build whose package is tested: KILN_BUILD, build/, or an installed kiln."""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def find_package() -> None:
    """Makes `import kiln` find what is tested, here and in child processes."""
    os.environ.setdefault("KILN_DISK_CACHE_MB", "0")  # what is tested is what compiles; tests of the cache have folders of their own
    if importlib.util.find_spec("kiln") is not None:
        return
    for build in filter(None, [os.environ.get("KILN_BUILD"), ROOT / "build"]):
        package = Path(build, "python")
        if any(package.glob("kiln/_core*.so")):
            sys.path.insert(0, str(package))
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
            return
    sys.exit("kiln is neither built (script/test python builds it; KILN_BUILD names another build folder) nor installed")
