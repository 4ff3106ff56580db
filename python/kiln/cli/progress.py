"""A progress bar on the terminal for what takes over a second."""

import sys


class Progress:
    """Called with what comes next, how many are done, and of how many. Shows nothing where there is no terminal, or no tqdm."""

    def __init__(self, quiet: bool = False) -> None:
        self._bar = None
        self._quiet = quiet or not sys.stderr.isatty()

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._quiet:
            return
        if self._bar is None:
            try:
                from tqdm import tqdm
            except ModuleNotFoundError:
                self._quiet = True
                return
            form = "{desc}  {bar}  {n_fmt} of {total_fmt}, {elapsed}"
            self._bar = tqdm(total=total, delay=1, leave=False, file=sys.stderr, bar_format=form, mininterval=0, miniters=0)
        self._bar.set_description_str(f"{what:<24}", refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
