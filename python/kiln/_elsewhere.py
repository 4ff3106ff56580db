"""Names that other libraries have and Kiln spells otherwise, so that a wrong guess is answered with the right word.

Torch's forms are aliases where they mean the same; these here do not (another default, another result), so they say what to write.
"""

INSTEAD = {
    "array": "kiln.asarray(x, copy=True)",
    "as_tensor": "kiln.asarray(x)",
    "from_numpy": "kiln.asarray(x)",
    "gather": "kiln.take_along_axis(x, indices, axis)",
    "scatter": "kiln.put_along_axis(x, indices, values, axis)",
    "scatter_add": "kiln.add_along_axis(x, indices, values, axis)",
    "index_select": "kiln.take(x, indices, axis)",
    "unique": "kiln.unique_values(x), or unique_counts, unique_inverse, unique_all",
    "cummax": "kiln.cumulative_max(x, axis), which gives the values alone",
    "cummin": "kiln.cumulative_min(x, axis), which gives the values alone",
    "transpose": "kiln.permute_dims(x, axes), x.T or x.mT (NumPy's and torch's transpose disagree)",
    "repeat": "kiln.tile(x, repetitions) for torch's repeat, kiln.repeat(x, repeats, axis) for NumPy's",
    "split": "slices, x[:n] and x[n:] (NumPy's and torch's split disagree)",
    "chunk": "slices, x[:n] and x[n:]",
    "masked_fill": "kiln.where(mask, value, x)",
    "cuda": "x as it is: this version runs on the CPU",
    "compile": "kiln.jit(f)",
}


def explain_missing(owner: str, name: str) -> str:
    """The message for an attribute that is not there."""
    message = f"{owner} has no attribute '{name}'"
    return f"{message}; use {INSTEAD[name]}" if name in INSTEAD else message
