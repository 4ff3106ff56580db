"""asyncio tasks with a context variable each, interleaved."""

import asyncio
import contextvars

import kiln as kn
from tests.capture.show import show

scale = contextvars.ContextVar("scale", default=1.0)


def main(jit):
    @jit
    def f(x):
        return x * scale.get()

    async def task(value):
        out = []
        scale.set(value)
        for _ in range(4):
            out.append(f(kn.asarray([1.0])))
            await asyncio.sleep(0)
        return out

    async def together():
        return await asyncio.gather(*(task(float(i)) for i in range(3)))

    show(f(kn.asarray([1.0])), f(kn.asarray([1.0])), f(kn.asarray([1.0])))
    show(asyncio.run(together()), f(kn.asarray([1.0])))
