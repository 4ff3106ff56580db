"""Pooling, forwards and backwards. A NaN in a window of max_pool2d is the one thing that is left to the runtime, as ONNX leaves it."""

import numpy as np

from kiln.onnx.call import Call
from kiln.onnx.contractions import uncovered
from kiln.onnx.graph import Value
from kiln.onnx.table import converts


def _window(c: Call) -> dict[str, list[int]]:
    stride = c.pair("kernel_size") if c.attributes.get("stride") is None else c.pair("stride")
    dilation = c.pair("dilation") if "dilation" in c.attributes else [1, 1]
    padding = c.pair("padding") if "padding" in c.attributes else [0, 0]
    return {"strides": stride, "pads": padding * 2, "dilations": dilation}


@converts("max_pool2d")
def max_pool2d(c: Call) -> list[Value]:
    (x,) = c.promoted()
    window, kernel = _window(c), c.pair("kernel_size")
    greatest, at = c.g.node_of_many("MaxPool", x, dtypes=[x.dtype, "int64"], kernel_shape=kernel, **window)
    return [greatest, _tap(c, at, kernel, window)]


def _tap(c: Call, at: Value, kernel: list[int], window: dict[str, list[int]]) -> Value:
    """Which tap of its window the element at a position of the whole tensor is. (Nodes that nobody needs are dropped.)"""
    g = c.g
    height, width = (g.node("Gather", g.shape_of(c.x), g.constant(i, "int64"), axis=0) for i in (2, 3))
    row, column = g.node("Mod", g.node("Div", at, width), height), g.node("Mod", at, width)
    taps = []
    for axis, position in enumerate((row, column)):
        extent = g.node("Gather", g.node("Shape", at, dtype="int64"), g.constant(2 + axis, "int64"), axis=0)
        windows = g.node("Range", g.constant(0, "int64"), extent, g.constant(1, "int64"))
        first = g.node("Mul", g.unsqueeze(windows, [1]) if axis == 0 else windows, g.constant(window["strides"][axis], "int64"))
        inside = g.node("Add", g.node("Sub", position, first), g.constant(window["pads"][axis], "int64"))
        taps.append(g.node("Div", inside, g.constant(window["dilations"][axis], "int64")))
    number = g.node("Add", g.node("Mul", taps[0], g.constant(kernel[1], "int64")), taps[1])
    return g.cast(number, c.results[1][0])


@converts("avg_pool2d")
def avg_pool2d(c: Call) -> Value:
    (x,) = c.promoted()
    window = _window(c)
    del window["dilations"]
    return c.g.node("AveragePool", x, kernel_shape=c.pair("kernel_size"), count_include_pad=1, **window)


@converts("avg_pool2d_backward", made_of="ConvTranspose")
def avg_pool2d_backward(c: Call) -> Value:
    (dy,) = c.promoted()
    kernel = c.pair("kernel_size")
    taps = kernel[0] * kernel[1]
    share = c.g.node("Div", dy, c.g.constant(taps, dy.dtype))
    one_channel = c.g.reshape(share, _planes(c, 1))
    return _spread(c, one_channel, np.ones((1, 1, *kernel)), kernel)


@converts("max_pool2d_backward", "max_pool2d_tiles", made_of="Equal, Where, ConvTranspose")
def max_pool2d_backward(c: Call) -> Value:
    """Each window's gradient stands in the channel of the tap that won; each channel is moved to its tap and they are summed."""
    dy, index = c.promoted()
    kernel = c.pair("kernel_size")
    taps = kernel[0] * kernel[1]
    number = c.g.constant(np.arange(taps).reshape(taps, 1, 1), "int64")
    planes, winners = (c.g.reshape(v, _planes(c, 1)) for v in (dy, c.g.cast(index, "int64")))
    won = c.g.node("Equal", winners, number, dtype="bool")
    return _spread(c, c.g.where(won, planes, c.g.constant(0, dy.dtype)), np.eye(taps).reshape(taps, 1, *kernel), kernel)


def _planes(c: Call, channels: int) -> Value:
    """The shape [N * C, channels, OH, OW]."""
    extents = c.tensor(0).shape[2:]
    if not all(isinstance(d, int) for d in extents):
        c.refuse("images of symbolic height or width", "make them constants in the specification of the input")
    return c.g.ints([-1, channels, *extents])


def _spread(c: Call, planes: Value, weight: np.ndarray, kernel: list[int]) -> Value:
    window = _window(c)
    size = c.pair("input_size") if "input_size" in c.attributes else list(c.shape[2:])
    padding = uncovered(c, c.tensor(0), kernel, size, window)
    image = c.g.node("ConvTranspose", planes, c.g.constant(weight, planes.dtype), output_padding=padding, **window)
    batch = c.g.node("Slice", c.g.shape_of(c.tensor(0)), c.g.ints([0]), c.g.ints([2]))
    return c.g.reshape(image, c.g.node("Concat", batch, c.g.ints(size), axis=0))
