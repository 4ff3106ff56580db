"""Figures as people read them: three digits and a unit."""

_TIMES = ((1e3, "s"), (1.0, "ms"), (1e-3, "µs"), (1e-6, "ns"))
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def _digits(x: float) -> str:
    if x == 0:
        return "0"
    return f"{x:.0f}" if abs(x) >= 99.95 else f"{x:.1f}" if abs(x) >= 9.995 else f"{x:.2f}"


def _unit_of(ms: float) -> tuple[float, str]:
    return next(((scale, unit) for scale, unit in _TIMES if ms >= 0.9995 * scale), _TIMES[-1])


def time(ms: float | None) -> str:
    if ms is None:
        return ""
    scale, unit = _unit_of(ms)
    return f"{_digits(ms / scale)} {unit}"


def time_range(low_ms: float | None, high_ms: float | None) -> str:
    """Two times in one unit."""
    if low_ms is None or high_ms is None:
        return ""
    scale, unit = _unit_of(high_ms)
    return f"{_digits(low_ms / scale)}–{_digits(high_ms / scale)} {unit}"


def size(count: float | None) -> str:
    if count is None:
        return ""
    scale, unit = next(((scale, unit) for scale, unit in _SIZES if count >= scale), (1, "B"))
    return f"{_digits(count / scale) if unit != 'B' else int(count)} {unit}"


def factor(x: float | None) -> str:
    return "" if x is None else f"{_digits(x) if x >= 0.0995 else f'{x:.2g}'}×"


def percent(x: float) -> str:
    if x == 0:
        return "0 %"
    return f"{x:.0f} %" if x >= 9.95 else f"{x:.2g} %" if x >= 0.01 else "under 0.01 %"


def counted(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
