"""Figures of splats and films of fits, with matplotlib.

splatcodec.plot.sheet(splats, "photo.png")
"""

from ..errors import requires

with requires("matplotlib", "plot"):
    import matplotlib  # noqa: F401 - only whether it is there

from .curves import learning_curve
from .outlines import outlines, picture
from .recorder import Recorder
from .sheet import sheet

__all__ = ["Recorder", "learning_curve", "outlines", "picture", "sheet"]
