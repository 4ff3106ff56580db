"""logging with a handler of one's own, whose level changes."""

import logging

import kiln as kn
from tests.capture.show import show


def main(jit):
    records = []
    logger = logging.getLogger("capture.torture")
    logger.propagate = False

    class Keep(logging.Handler):
        def emit(self, record):
            records.append((record.levelname, record.getMessage(), record.funcName, record.lineno))

    handler = Keep()
    logger.addHandler(handler)

    @jit
    def f(x):
        logger.debug("shape %s", x.shape)
        y = x * 2
        logger.warning("sum %.1f", float(kn.sum(y)))
        return y

    try:
        for level in (logging.WARNING,) * 3 + (logging.DEBUG, logging.ERROR, logging.DEBUG):
            logger.setLevel(level)
            show(f(kn.asarray([1.0])))
    finally:
        logger.removeHandler(handler)
    show(records)
