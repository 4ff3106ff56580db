"""Random draws: ONNX has generators of its own, so a model would draw other numbers."""

from kiln.onnx.call import Call
from kiln.onnx.graph import Value
from kiln.onnx.table import converts, refuses

refuses(
    "random_uniform",
    "random_normal",
    "random_bits",
    "randint",
    "bernoulli",
    reason="it draws from Kiln's generator, and a runtime would draw other numbers",
    remedy="draw outside of the function and pass the numbers as an input",
)


@converts("dropout", view=True)
def dropout(c: Call) -> Value:
    (x,) = c.promoted()
    if c.constant("training") and c.constant("p") != 0:
        c.refuse("while training it draws from Kiln's generator", "export the model in eval mode: model.eval()")
    return c.g.node("Dropout", x)  # in a model that is run it lets everything pass
