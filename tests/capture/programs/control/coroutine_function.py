"""A decorated coroutine function, awaited with others in between."""

import asyncio

import kiln as kn
from tests.capture.show import show


def main(jit):
    log = []

    @jit
    async def f(x, name):
        log.append(name)
        y = x * len(log)
        await asyncio.sleep(0)
        log.append(name + "!")
        return y + len(log)

    async def together():
        x = kn.asarray([1.0])
        return await asyncio.gather(f(x, "a"), f(x, "b"), f(x, "c"))

    for _ in range(3):
        show(asyncio.run(together()))
    return log
