"""kiln.config: everything that can be tuned, one attribute each. `KILN_*` variables set the same things from outside."""

from kiln import _core


class Config:
    """Tunables by name: kn.config.tier_up_launches = 10; print(kn.config)."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        special = _SPECIAL.get(name)
        return special[0]() if special else _core.tunable(name)

    def __setattr__(self, name: str, value) -> None:
        special = _SPECIAL.get(name)
        special[1](value) if special else _core.set_tunable(name, value)

    def __dir__(self) -> list[str]:
        return [entry["name"] for entry in _core.tunables()]

    def __repr__(self) -> str:
        rows = [(e["name"], repr(getattr(self, e["name"])), e["variable"], e["doc"]) for e in _core.tunables()]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + "  " + row[3] for row in rows)


def _set_auto(on) -> None:
    _core.set_tunable("auto", on)
    _core.set_auto(bool(on))


_SPECIAL = {  # entries that act at once
    "auto": (lambda: int(_core.auto_is_on()), _set_auto),
    "backend": (_core.backend, _core.set_backend),
    "num_threads": (_core.num_threads, _core.set_num_threads),
}

config = Config()
