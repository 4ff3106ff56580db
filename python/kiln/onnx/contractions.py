"""Matrix products and convolutions, forwards and backwards."""

from kiln.onnx.call import Call
from kiln.onnx.graph import Value
from kiln.onnx.movement import swapped
from kiln.onnx.pointwise import carrier
from kiln.onnx.table import converts


@converts("matmul", "matmul_batched", made_of="MatMul, Transpose")
def matmul(c: Call) -> Value:
    x, y = (c.g.cast(v, carrier(v.dtype)) for v in c.promoted())
    flags = [c.attributes.get(name, False) for name in ("transpose_a", "transpose_b")]
    x, y = (c.g.transpose(v, swapped(given.rank, -1, -2)) if flag else v for v, given, flag in zip((x, y), c.operands, flags, strict=True))
    return c.g.cast(c.g.node("MatMul", x, y), c.dtype)


@converts("linear")
def linear(c: Call) -> Value:
    """Gemm multiplies matrices; with more axes it is MatMul."""
    x, weight, bias = c.promoted()
    if len(c.shape) == 2:
        return c.g.node("Gemm", x, weight, bias, transB=1)
    product = c.g.node("MatMul", x, c.g.transpose(weight, [1, 0]))
    return product if bias is None else c.g.node("Add", product, bias)


def _window(c: Call) -> dict[str, list[int]]:
    return {"strides": c.pair("stride"), "pads": c.pair("padding") * 2, "dilations": c.pair("dilation")}


@converts("conv2d")
def conv2d(c: Call) -> Value:
    return c.g.node("Conv", *c.promoted(), **_window(c))


def uncovered(c: Call, dy: Value, kernel: list[int], size: list[int], window: dict[str, list[int]]) -> list[int]:
    """How many of the image's last rows and columns no window reaches: ConvTranspose's output_padding."""
    extents = dy.shape[2:]
    if not all(isinstance(d, int) for d in (*extents, *kernel)):
        c.refuse("images of symbolic height or width", "make them constants in the specification of the input")
    reached = [
        (extents[i] - 1) * window["strides"][i] + window["dilations"][i] * (kernel[i] - 1) + 1 - 2 * window["pads"][i] for i in range(2)
    ]
    return [size[i] - reached[i] for i in range(2)]


@converts("conv2d_data")
def conv2d_data(c: Call) -> Value:
    dy, weight = c.promoted()
    window = _window(c)
    padding = uncovered(c, c.tensor(0), list(c.tensor(1).shape[2:]), c.pair("input_size"), window)
    return c.g.node("ConvTranspose", dy, weight, output_padding=padding, **window)


@converts("conv2d_weights", made_of="Conv, Transpose, Slice, ReduceSum")
def conv2d_weights(c: Call) -> list[Value]:
    """The images, channels for batch, convolved with the gradients, whose windows step by the dilation."""
    x, dy = c.promoted()
    window = _window(c)
    turned = {"strides": window["dilations"], "pads": window["pads"], "dilations": window["strides"]}
    products = c.g.node("Conv", c.g.transpose(x, [1, 0, 2, 3]), c.g.transpose(dy, [1, 0, 2, 3]), **turned)
    kernel = c.pair("kernel_size")
    taps = c.g.node("Slice", products, c.g.ints([0, 0]), c.g.ints(kernel), c.g.ints([2, 3]))
    return [c.g.transpose(taps, [1, 0, 2, 3]), c.g.reduce("ReduceSum", dy, [0, 2, 3], False)]
