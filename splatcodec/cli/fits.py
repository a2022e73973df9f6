"""What a user sees and can do while a fit goes on: a progress bar, and Ctrl-C."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .options import TERMINATION, terminate

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..fitting.growth import FitState


@contextmanager
def interrupts(keep: bool) -> "Iterator[Callable[[], bool]]":
    """Hold Ctrl-C and signals that ask to terminate back, and yield a function that tells whether Ctrl-C was pressed.

    If `keep`, the program goes on after the first Ctrl-C, and the second ends it. Otherwise Ctrl-C ends it, as other
    signals do in any case: not before the function is called for the first time, while Numba loads kernels and would
    swallow the exception, and from then on at once.
    """
    pressed = asked = False
    ended: int | None = None

    def press(number: int, frame: object) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if asked and not keep:
            raise KeyboardInterrupt

    def end(number: int, frame: object) -> None:
        nonlocal ended
        ended = number
        if asked:
            terminate(number)

    def interrupted() -> bool:
        nonlocal asked
        asked = True
        if ended is not None:
            terminate(ended)
        if pressed and not keep:
            raise KeyboardInterrupt
        return pressed

    handlers = {signal.SIGINT: press} | dict.fromkeys(TERMINATION, end)
    previous = {number: signal.getsignal(number) for number in handlers}
    for number, handler in handlers.items():
        if previous[number] is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield interrupted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def progress(quiet: bool) -> "Iterator[Callable[[FitState], None]]":
    """Shows a progress bar on a terminal, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda state: None
        return
    from tqdm import tqdm

    with tqdm(total=1.0, leave=False, bar_format="{percentage:3.0f}%|{bar}| {remaining} left{postfix}") as bar:
        shown = 0.0

        def update(state: "FitState") -> None:
            nonlocal shown
            # Asking a GPU for the PSNR after every step would keep it waiting.
            if 0 <= state.seconds - shown < 0.1 and state.progress < 1:
                return
            shown = state.seconds
            doing = "rounding " if state.progress >= 1 else ""
            bar.set_postfix_str(f"{doing}{state.n_gaussians} Gaussians, {state.psnr:.2f} dB", refresh=False)
            bar.update(state.progress - bar.n)
            if doing:
                bar.refresh()

        yield update
