"""The learning curve of a fit."""

from typing import TYPE_CHECKING

import numpy as np

from ..history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def learning_curve(history: History, ax: "Axes | None" = None) -> "Axes":
    """Plot PSNR and loss against the step, of all fits one after the other.

    Args:
        history: what a fit has done.
        ax: where to plot; new axes if None.

    Returns:
        The axes of the PSNR; those of the loss share their steps.

    Raises:
        ValueError: the history is empty.
    """
    steps = list(history)
    if not steps:
        raise ValueError("the history is empty: give it to a fit as its callback")
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots(layout="constrained")[1]
    numbers = np.arange(1, len(steps) + 1)
    ax.plot(numbers, [step.psnr for step in steps], color="C0")
    ax.set_xlabel("step")
    ax.set_ylabel("PSNR (dB)", color="C0")
    ax.grid(alpha=0.25)
    losses = ax.twinx()
    losses.semilogy(numbers, [step.loss for step in steps], color="C1", linewidth=1)
    losses.set_ylabel("loss", color="C1")
    for before, after, number in zip(steps, steps[1:], numbers[1:], strict=False):
        if after.fit != before.fit:
            ax.axvline(number - 0.5, color="0.6", linestyle=":")
    return ax
