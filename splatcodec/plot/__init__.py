"""Figures of splats and films of fits, with matplotlib.

splatcodec.plot.sheet(splats, "photo.png")
"""

from ..errors import MissingExtraError

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise MissingExtraError("matplotlib", "plot") from error

from .curves import learning_curve
from .outlines import outlines, picture
from .recorder import Recorder
from .sheet import sheet

__all__ = ["Figure", "Recorder", "learning_curve", "outlines", "picture", "sheet"]
