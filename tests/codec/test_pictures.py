"""No picture comes out wrong: properties over generated pictures of every family, as in `tests.families`.

`python -m tests.sweep` looks at more of them.
"""

import numpy as np
import pytest

import splatcodec
from splatcodec.fitting.orientation import Orientation, usual_orientation
from splatcodec.image import load_image
from splatcodec.metrics import psnr

from ..families import ENOUGH, FAMILIES, bright, dark, fall, flat, icon, photo, picture, ramp, text, thin, tiny

PICTURES = 16


def effort_of(number: int) -> int:
    return {3: 2, 7: 5}.get(number % 8, 1)


def reached(pixels: np.ndarray, **options) -> tuple[float, int, np.ndarray]:
    """PSNR, bytes and decoded samples."""
    data = splatcodec.encode(pixels, **options)
    decoded = splatcodec.decode(data)
    return psnr(pixels, decoded), len(data), decoded


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_more_quality_is_better_and_nothing_vanishes(family):
    """Local minima are left: of a family, one step of quality may be worse, by up to 4 dB, and one smaller."""
    falls, shrunk = [], 0
    for number in range(PICTURES):
        pixels = picture(family, number)
        low, high = ((20, 60), (60, 100))[number % 2]
        (before, small, _), (after, large, decoded) = (
            reached(pixels, quality=quality, effort=effort_of(number)) for quality in (low, high)
        )
        falls.append(fall(before, after))
        shrunk += large < small
        # Samples are clamped, which moves the mean where much is black or white.
        assert abs(decoded.mean() - pixels.mean()) < 2.5, number
        assert after > 18, number
    assert sum(dB > 0.1 for dB in falls) <= 1, falls
    assert max(falls) < 4, falls
    assert shrunk <= 1


@pytest.mark.parametrize("value", [1, 2, 5, 50, 200, 255])
@pytest.mark.parametrize("side", [1, 2, 4, 9])
def test_flat_pictures_keep_their_colour(side, value):
    pixels = np.full((side, side), value, np.uint8)
    assert np.abs(splatcodec.decode(splatcodec.encode(pixels)).astype(int) - value).max() <= 1


@pytest.mark.parametrize("profile", ["adaptive", "vq", "half"])
@pytest.mark.parametrize("size", [(512, 1), (1, 2048), (2048, 4)])
def test_needles_stay_on_thin_pictures(size, profile):
    values = np.linspace(60, 200, max(size)).astype(np.uint8)
    pixels = np.broadcast_to(values[:, None] if size[0] > size[1] else values, size).copy()
    assert reached(pixels, profile=profile, effort=1)[0] > 36


@pytest.mark.parametrize(
    "family", [flat, ramp, text, icon, dark, bright, thin, tiny, photo], ids=lambda family: family.__name__
)
def test_it_does_not_matter_which_side_is_up(family):
    for number in range(2):
        pixels = picture(family, number)
        ways = pixels, pixels.swapaxes(0, 1), np.rot90(pixels), pixels[:, ::-1]
        values = [reached(np.ascontiguousarray(turned), effort=1)[0] for turned in ways]
        assert min(values) > ENOUGH or max(values) - min(values) < 0.7, (number, values)


@pytest.mark.parametrize("way", [Orientation(t, u, m) for t in (0, 1) for u in (0, 1) for m in (0, 1)])
def test_gaussians_turn_back_with_their_picture(way):
    planes = load_image(picture(photo, 1)).planes
    splats = splatcodec.fit(planes.transpose(1, 2, 0), n_gaussians=20, effort=1)
    turned = splatcodec.fit(way.turn(planes).transpose(1, 2, 0), n_gaussians=20, effort=1)
    assert (turned.height, turned.width) == way.turn(planes).shape[1:]
    back = way.turn_back(turned)
    np.testing.assert_allclose(way.turn(back.render()), turned.render(), atol=1e-4)
    # All are fitted in the same orientation.
    np.testing.assert_allclose(back.render(), splats.render(), atol=1e-3)
    assert usual_orientation(planes).turn(planes).tobytes() == (
        usual_orientation(way.turn(planes)).turn(way.turn(planes)).tobytes()
    )


def test_checkerboards_of_single_pixels_are_seen():
    y, x = np.mgrid[:32, :32]
    assert reached(((x + y) % 2 * 255).astype(np.uint8), quality=60)[0] > 20
