"""Losses."""

from kiln.onnx.call import Call
from kiln.onnx.graph import Value
from kiln.onnx.table import converts


@converts("nll_loss", "cross_entropy")
def of_classes(c: Call) -> Value:
    """A target that is no class is an error in Kiln; what it gives in ONNX is the runtime's affair."""
    x, target = c.promoted()
    target = c.g.cast(target, "int64")
    reduction = c.constant("reduction")
    alone = c.tensor(0).rank == 1  # one example
    if alone:
        x, target = c.g.unsqueeze(x, [0]), c.g.unsqueeze(target, [0])
    loss = c.g.node(c.op.onnx, x, target, reduction=reduction)
    return c.g.squeeze(loss, [0]) if alone and reduction == "none" else loss


@converts("mse_loss", made_of="Sub, Mul, ReduceMean, ReduceSum")
def mse_loss(c: Call) -> Value:
    distance = c.g.node("Sub", *c.promoted())
    squared = c.g.node("Mul", distance, distance)
    rank = max(v.rank if isinstance(v, Value) else 0 for v in c.operands)
    reduce = {"none": None, "sum": "ReduceSum", "mean": "ReduceMean"}[c.constant("reduction")]
    return squared if reduce is None else c.g.reduce(reduce, squared, list(range(rank)), False)
