"""Names that other libraries have and Kiln spells otherwise, so that a wrong guess is answered with the right word.

Torch's forms are aliases where they mean the same; these here do not (another default, another result), so they say what to write.
"""

INSTEAD = {
    "array": "kiln.asarray(x, copy=True)",
    "as_tensor": "kiln.asarray(x)",
    "from_numpy": "kiln.asarray(x)",
    "transpose": "kiln.permute_dims(x, axes), x.T or x.mT (NumPy's and torch's transpose disagree)",
    "repeat": "kiln.tile (torch's repeat) or kiln.broadcast_to",
    "split": "slices, x[:n] and x[n:] (NumPy's and torch's split disagree)",
    "chunk": "slices, x[:n] and x[n:]",
    "nonzero": "kiln.where(mask, x, y): the number of results must not depend on data",
    "masked_fill": "kiln.where(mask, value, x)",
    "cuda": "x as it is: this version runs on the CPU",
    "compile": "kiln.jit(f)",
}


def explain_missing(owner: str, name: str) -> str:
    """The message for an attribute that is not there."""
    message = f"{owner} has no attribute '{name}'"
    return f"{message}; use {INSTEAD[name]}" if name in INSTEAD else message
