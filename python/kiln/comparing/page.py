"""Reports as one HTML page each: no script, no address, readable offline, on a telephone, and in the dark."""

import html
from collections.abc import Iterable, Sequence

from kiln.comparing import units
from kiln.comparing.chart import bars
from kiln.comparing.program import Program, Source, Step
from kiln.comparing.rows import Comparison, Row

STYLE = """
:root { color-scheme: light dark; --ink: #23262b; --soft: #646b75; --line: #dfe3e8; --paper: #ffffff; --panel: #f5f6f8;
  --kiln: #c2512f; --kiln-soft: #e8b39f; --peer: #5f7893; --peer-soft: #b6c4d2; --good: #2f7d4f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e9ec; --soft: #9aa3ae; --line: #363b43; --paper: #17191d; --panel: #20242a;
  --kiln: #e0714d; --kiln-soft: #8a4a36; --peer: #86a2bf; --peer-soft: #475869; --good: #6cc490; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 72rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; } h2 { margin: 2.5rem 0 .75rem; font-size: 1.2rem; } h3 { font-size: 1rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); } code, pre { font-family: ui-monospace, monospace; font-size: .85rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem; margin: 1.5rem 0; }
.card { padding: .9rem 1rem; background: var(--panel); border-radius: .5rem; } .card b { display: block; font-size: 1.3rem; }
.chart { display: grid; grid-template-columns: max-content 1fr max-content; grid-auto-flow: dense; gap: .3rem .8rem; align-items: center; }
.chart .name { grid-column: 1; } .chart .figure { grid-column: 3; text-align: right; }
.chart svg { grid-column: 2; display: block; width: 100%; height: 1.1rem; }
.kiln { fill: var(--kiln); } .kiln.eager { fill: var(--kiln-soft); } .peer { fill: var(--peer); } .peer.eager { fill: var(--peer-soft); }
.whisker { stroke: var(--ink); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; vertical-align: bottom; white-space: normal; }
th:first-child, td:first-child, td.why { text-align: left; }
td.why { white-space: normal; color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.step { margin: .6rem 0; padding: .7rem .9rem; border: 1px solid var(--line); border-left: 4px solid var(--kiln); border-radius: .4rem; }
.step.other { border-left-color: var(--peer); }
.ops { display: flex; flex-wrap: wrap; gap: .3rem; margin: .4rem 0; padding: 0; list-style: none; }
.ops li { padding: .05rem .5rem; background: var(--panel); border-radius: 1rem; font-size: .85rem; }
.source { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; font-size: .85rem; }
.source code { white-space: pre-wrap; } .guards { columns: 2; padding-left: 1.2rem; font-size: .85rem; }
.told td { text-align: left; white-space: normal; vertical-align: top; } .told th { text-align: left; }
.told td.figure, .told th.figure { text-align: right; white-space: nowrap; } .told td.place { white-space: nowrap; }
.told td.code { font-family: ui-monospace, monospace; font-size: .85rem; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--soft); }
pre { overflow-x: auto; overflow-wrap: normal; padding: .8rem 1rem; background: var(--panel); border-radius: .4rem; }
@media (max-width: 46rem) {
  .chart { grid-template-columns: 1fr max-content; gap: .1rem .8rem; } .chart .figure { grid-column: 2; }
  .chart svg { grid-column: 1 / -1; margin-bottom: .5rem; }
  thead { display: none; } tr { display: block; padding: .6rem 0; border-bottom: 1px solid var(--line); }
  td { display: flex; justify-content: space-between; padding: .1rem 0; border: 0; text-align: right; }
  .guards { columns: 1; } .told td, .told td.figure { gap: 1rem; justify-content: start; text-align: left; }
  .told td::before { flex: none; width: 8.5rem; font: 400 1rem/1.5 system-ui, sans-serif; }
  td:empty { display: none; } td:first-child { font-weight: 600; } td[data-label]::before { content: attr(data-label); color: var(--soft); }
}
"""

COLUMNS = (
    "",
    "a call, median",
    "middle half",
    "speed",
    "first call",
    "a call runs",
    "peak memory, process",
    "peak memory, tensors",
    "bits",
)


def comparison_page(c: Comparison) -> str:
    """The page of kiln.compare."""
    shown = [row for row in c.rows if row.error is None]
    parts = [
        f"<h1>{text(c.function)}</h1>",
        f"<p>{text(', '.join(c.inputs) or 'no inputs')}</p>",
        f'<p class="soft">{text(c.processor)}, {units.counted(c.threads, "thread")}; {text(_versions(c.rows))}; {text(c.date)}</p>',
        _cards(c),
        '<h2>A call</h2><p class="soft">The median; the line spans the middle half of the samples.</p>',
        bars([(r, r.median_ms, (r.quartile1_ms, r.quartile3_ms), units.time(r.median_ms)) for r in shown]),
        '<h2>The first call</h2><p class="soft">With all that is compiled before it returns.</p>',
        bars([(r, r.first_call_ms, None, units.time(r.first_call_ms)) for r in shown]),
        "<h2>All figures</h2>",
        _table(c),
        *(f'<p class="soft">{text(note)}</p>' for note in c.notes()),
        *programs(c.programs),
    ]
    return page(f"{c.function}, eager and compiled", parts)


def text(x: str) -> str:
    """As HTML: nothing that is shown can be read as markup."""
    return html.escape(x)


def page(title: str, parts: Iterable[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{text(title)}</title>\n<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n</head>\n<body>\n'
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _versions(rows: Sequence[Row]) -> str:
    versions = {("Kiln" if r.library == "kiln" else r.library): r.version for r in rows if r.version}
    return ", ".join(f"{library} {version}" for library, version in versions.items())


def _cards(c: Comparison) -> str:
    compiled = [r for r in c.rows if r.library == "kiln" and not r.is_eager and r.error is None]
    if not compiled:
        return ""
    eager, best = c.rows[0], min(compiled, key=lambda r: r.median_ms)
    cards = [(f"{units.factor(c.speed_up(best))}", "the speed of eager mode")]
    if best.kernels():
        cards.append((f"{eager.kernels()} → {best.kernels()}", "a call"))
    if eager.peak_tensor_bytes is not None and best.peak_tensor_bytes is not None:
        cards.append((f"{units.size(eager.peak_tensor_bytes)} → {units.size(best.peak_tensor_bytes)}", "peak memory of tensors"))
    if not c.repeatable:
        cards.append(("bits unknown", "no two eager calls agree"))
    elif c.bits_equal:
        cards.append(('<span class="good">bits equal</span>', "eager and compiled"))
    else:
        cards.append(('<span class="bad">bits differ</span>', "eager and compiled"))
    return '<div class="cards">' + "".join(f'<div class="card"><b>{figure}</b>{text(what)}</div>' for figure, what in cards) + "</div>"


def _table(c: Comparison) -> str:
    heads = "".join(f"<th>{column}</th>" for column in COLUMNS)
    lines = "".join(_line(c, row) for row in c.rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _line(c: Comparison, row: Row) -> str:
    if row.error is not None:
        return f'<tr><td>{text(row.label)}</td><td class="why" colspan="{len(COLUMNS) - 1}">not measured: {text(row.error)}</td></tr>'
    figures = (
        units.time(row.median_ms),
        units.time_range(row.quartile1_ms, row.quartile3_ms),
        units.factor(c.speed_up(row)),
        units.time(row.first_call_ms),
        row.kernels(),
        units.size(row.peak_resident_bytes),
        units.size(row.peak_tensor_bytes),
        row.bits(),
    )
    cells = [
        f'<td data-label="{column}">{text(figure)}</td>' if figure else "<td></td>"
        for column, figure in zip(COLUMNS[1:], figures, strict=True)
    ]
    if row.library == "kiln" and row.bits_equal_to_eager is not None:
        cells[-1] = cells[-1].replace("<td", f'<td class="{"good" if row.bits_equal_to_eager else "bad"}"')
    return f"<tr><td>{text(row.label)}</td>{''.join(cells)}</tr>"


def programs(all_of_them: Sequence[Program]) -> Iterable[str]:
    """What was compiled: each program's steps with the lines that they are made of, its graph and its code."""
    for i, p in enumerate(all_of_them):
        yield f"<h2>What is fused, and why{f': program {i + 1} of {len(all_of_them)}' if len(all_of_them) > 1 else ''}</h2>"
        library = f" and {units.counted(p.library_calls, 'library call')}" if p.library_calls else ""
        yield (
            f"<p>{units.counted(p.operators, 'operator')} became {units.counted(p.kernels, 'kernel')}{library};"
            f" {units.size(p.temporaries_bytes)} of temporaries; planned in {units.time(p.compile_ms)}"
            f"{f'; run {p.runs} times' if p.runs > 1 else ''}.</p>"
        )
        yield from (f'<p class="soft">Ended early at {text(end)}</p>' for end in p.early_ends)
        for line, reason, sources in zip(p.steps, p.reasons, p.sources, strict=True):
            step = Step.of(line)
            operators = "".join(f"<li>{text(name)}</li>" for name in step.operators)
            yield (
                f'<div class="step{"" if step.kind == "kernel" else " other"}"><b>{text(step.kind)}</b>'
                f' <span class="soft">{text(step.detail)}</span>'
                f'<ul class="ops">{operators}</ul>{_source(sources)}<div class="soft">{text(reason)}</div></div>'
            )
        yield f"<details open><summary>The traced graph, after the passes</summary><pre>{text(p.graph)}</pre></details>"
        yield f"<details><summary>The kernels' code</summary><pre>{text(p.kernel_code)}</pre></details>"


def _source(lines: Sequence[Source]) -> str:
    """Lines of the program, each with its place."""
    rows = "".join(
        f'<span class="soft" title="{text(line.file)}:{line.number}">{text(line.place)}</span><code>{text(line.code)}</code>'
        for line in lines
    )
    return f'<div class="source">{rows}</div>' if rows else ""
