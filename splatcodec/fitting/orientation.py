"""Ways to mirror and transpose a picture, and the one of them in which it is fitted.

A fit finds one of many local minima, and another one when the picture is turned. A small picture is turned to the same
side before it is fitted, so that what comes of it does not depend on which side was up.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..splats import Splats


class Orientation(NamedTuple):
    """First transpose, then turn upside down, then exchange left and right, each or not."""

    transposed: bool
    upside_down: bool
    mirrored: bool

    def turn(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Planes [..., H, W] as they are in this orientation."""
        if self.transposed:
            planes = planes.swapaxes(-1, -2)
        if self.upside_down:
            planes = planes[..., ::-1, :]
        if self.mirrored:
            planes = planes[..., ::-1]
        return np.ascontiguousarray(planes)

    def turn_back(self, splats: Splats) -> Splats:
        """Gaussians of a turned picture on the picture as it was."""
        means, rotations = splats.means.copy(), splats.rotations
        if self.mirrored:
            means[:, 0], rotations = splats.width - means[:, 0], -rotations
        if self.upside_down:
            means[:, 1], rotations = splats.height - means[:, 1], -rotations
        size = splats.height, splats.width
        if self.transposed:
            means, rotations, size = means[:, ::-1], np.float32(np.pi / 2) - rotations, size[::-1]
        return Splats(means, splats.scales, rotations, splats.colors, *size)


UPRIGHT = Orientation(False, False, False)


def usual_orientation(planes: NDArray[np.float32]) -> Orientation:
    """The same for a picture [C, H, W] and all that it can be turned into."""
    ways = [Orientation(*way) for way in product((False, True), repeat=3)]
    turned = {way: way.turn(planes) for way in ways}
    return min(ways, key=lambda way: (turned[way].shape, turned[way].tobytes()))
