"""The page of f.explain(): how calls ran, why, and what was compiled for them."""

import os
from collections.abc import Iterable, Sequence

from kiln.capture.telling import Loop, helps
from kiln.comparing import units
from kiln.comparing.page import page, programs, text
from kiln.comparing.program import Program
from kiln.explain import Explanation

Cell = str | tuple[str, str]  # what is shown; with a class for what is not plain text


def explanation_page(e: Explanation) -> str:
    parts = [
        f"<h1>{text(e.name)}</h1>",
        f"<p>{text(_summary(e))}</p>",
        _cards(e),
        *_section(
            "Why Python ran",
            "What was recorded could not be played back without Python, for these reasons.",
            ("where", "why", "what helps", "lost"),
            [_fallback(e, reason) for reason in e.fallbacks],
        ),
        *_section(
            "Recorded again",
            "A check failed: no recording so far fitted the call.",
            ("what had changed", "from", "to", "took", "how to avoid it"),
            [
                ((r.path, "code"), (r.before, "code"), (r.now, "code"), (units.time(r.milliseconds), "figure"), r.advice())
                for r in e.rerecordings
            ],
        ),
        *_loops(e.loops),
        *_guards(e.guards),
        *programs([Program.of(vars(trace)) for trace in e.traces]),
    ]
    return page(f"{e.name}, explained", parts)


def _summary(e: Explanation) -> str:
    if e.name == "kn.auto":
        return "What kn.auto() ran: operators of hot loops that nobody decorated."
    if not e.calls:
        return "It has not been called yet."
    if e.replays:
        others = "; the others ran in Python" if e.replays < e.calls else ""
        return f"{units.counted(e.calls, 'call')}, of which {e.replays} ran without Python{others}, with operators fused."
    return f"{units.counted(e.calls, 'call')}, all of which ran in Python, with operators fused."


def _cards(e: Explanation) -> str:
    cards = [(str(e.calls), "calls"), (str(e.replays), "without Python")] if e.name != "kn.auto" else []
    if e.recordings:
        cards += [(str(e.recordings), "recordings"), (str(len(e.guards)), "things checked")]
    cards.append((units.counted(len(e.traces), "program"), f"compiled in {units.time(e.compile_ms)}"))
    lost = sum(e.lost_ms.values())
    if lost:
        cards.append((units.time(lost), "lost in vain recordings"))
    shown = "".join(f'<div class="card"><b>{text(figure)}</b>{text(what)}</div>' for figure, what in cards)
    return f'<div class="cards">{shown}</div>'


def _fallback(e: Explanation, reason: str) -> tuple[Cell, ...]:
    """A reason begins with its line, where that is known."""
    where, found, why = reason.partition(": ")
    if not found or not where.rpartition(":")[2].isdigit():
        where, why = "", reason
    return (os.path.basename(where), "place"), why, helps(reason), (units.time(e.lost_ms.get(reason, 0.0)), "figure")


def _section(title: str, about: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterable[str]:
    """A table under a heading; nothing where it has no rows."""
    if not rows:
        return
    kinds = [cell[1] if isinstance(cell, tuple) else "" for cell in rows[0]]
    head = "".join(f'<th class="{kind}">{text(column)}</th>' for column, kind in zip(columns, kinds, strict=True))
    body = "".join(f"<tr>{''.join(map(_cell, columns, row))}</tr>" for row in rows)
    yield f'<h2>{text(title)}</h2><p class="soft">{text(about)}</p>'
    yield f'<table class="told"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(column: str, cell: Cell) -> str:
    shown, kind = cell if isinstance(cell, tuple) else (cell, "")
    return f'<td class="{kind}" data-label="{text(column)}">{text(shown)}</td>' if shown else "<td></td>"


def _loops(loops: Sequence[Loop]) -> Iterable[str]:
    yield from _section(
        "Loops that data decides",
        "Each is one recording, whatever the number of iterations.",
        ("loop", "iterations without Python", "how"),
        [((str(one.number), "figure"), (f"{one.iterations:,}", "figure"), one.how) for one in loops],
    )
    for one in loops:
        for what, title in (("kernels", "what an iteration computes"), ("asm", "the machine code")):
            if shown := one.as_text(what):
                yield f"<details><summary>Loop {one.number}: {title}</summary><pre>{text(shown)}</pre></details>"


def _guards(guards: Sequence[str]) -> Iterable[str]:
    if not guards:
        return
    items = "".join(f"<li>{text(guard)}</li>" for guard in guards)
    yield "<h2>What is checked at each call without Python</h2>"
    yield f"<details{' open' if len(guards) <= 24 else ''}><summary>{units.counted(len(guards), 'check')}</summary>"
    yield f'<ul class="guards">{items}</ul></details>'
