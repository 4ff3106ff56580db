"""A beam search over a table of scores that stops at an end token."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    scores = kn.asarray([[0.0, 1.0, 2.0], [3.0, 0.5, 0.1], [0.2, 2.5, 0.3]])

    @jit
    def f(start, width):
        beams = [(0.0, [start])]
        for _ in range(4):
            grown = []
            for total, tokens in beams:
                row = scores[tokens[-1]]
                for token in range(3):
                    grown.append((total + float(row[token]), tokens + [token]))
            grown.sort(key=lambda beam: (-beam[0], beam[1]))
            beams = grown[:width]
            if beams[0][1][-1] == 1 and len(beams[0][1]) > 3:
                break
        return beams

    for start, width in ((0, 2), (0, 2), (0, 2), (1, 1), (2, 3)):
        show(f(start, width))
    scores[0, 1] = 9.0
    show(f(0, 2))
