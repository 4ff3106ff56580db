"""Runs m.kiln in a process that has nothing of the network but this file: python predict.py FOLDER"""

import sys
from pathlib import Path

import numpy as np

import kiln as kn

folder = Path(sys.argv[1])
program = kn.load(folder / "m.kiln")
_, _, (_, *image) = program["predict"].inputs[0]  # the extents behind the batch
images = np.fromfile(folder / "predict.f32", np.float32).reshape(-1, *image)
for batch in (1, 7, 64):
    program["predict"](images[:batch]).numpy().tofile(folder / f"process.{batch}.f32")
