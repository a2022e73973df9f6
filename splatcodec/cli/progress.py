"""How far a run over many has come, on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counted(
    unit: str, form: str, total: int | None = None, *, quiet: bool = False
) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """What to call after each of many, and to print a line; on a terminal there is a bar meanwhile.

    Args:
        unit: what they are called.
        form: of the bar, as tqdm has it.
        total: how many there are, if that is known.
        quiet: whether to show no bar.
    """
    if quiet or total == 0 or not sys.stderr.isatty():
        yield lambda: None, lambda line: print(line, file=sys.stderr)
        return
    from tqdm import tqdm

    with tqdm(total=total, leave=False, bar_format=form, unit=f" {unit}") as bar:
        yield lambda: bar.update(), lambda line: tqdm.write(line, file=sys.stderr)
