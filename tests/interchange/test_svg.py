import io
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from splatcodec import Splats, decode, fit, metrics
from splatcodec.encoding.encode import to_bytes
from splatcodec.errors import InterchangeError
from splatcodec.interchange import load, save

from .pictures import random_splats


def written(splats: Splats) -> str:
    file = io.BytesIO()
    save(splats, file, extension=".svg")
    return file.getvalue().decode()


def tags(text: str, name: str) -> list:
    return ET.fromstring(text).findall(f".//{{http://www.w3.org/2000/svg}}{name}")


def in_chromium(text: str, size: tuple[int, int], directory) -> np.ndarray:
    """What Chromium shows of an SVG, uint8 [H, W, 3]."""
    (directory / "picture.svg").write_text(text)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
    command += ["--disable-background-networking", f"--user-data-dir={directory / 'profile'}"]
    # Chromium has a least width for windows.
    command += ["--window-size=600,400", f"--screenshot={directory / 'shown.png'}"]
    subprocess.run([*command, (directory / "picture.svg").as_uri()], capture_output=True, timeout=120, check=True)
    height, width = size
    return np.asarray(Image.open(directory / "shown.png").convert("RGB"))[:height, :width]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_a_browser_shows_nearly_what_is_decoded(photo, tmp_path):
    splats = fit(photo, n_gaussians=150, effort=1)
    assert (splats.colors < 0).mean() > 0.2
    shown = in_chromium(written(splats), photo.shape[:2], tmp_path)
    assert metrics.psnr(shown, decode(to_bytes(splats))) > 36


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_a_browser_shows_places_turns_and_amplitudes(tmp_path):
    """Among them a sum far above full scale from which a lot is subtracted, and one below 0."""
    splats = Splats(
        [[30, 20], [100, 60], [100, 60], [40, 75]],
        [[14, 4], [18, 18], [18, 18], [9, 5]],
        [0.6, 0, 0, 0],
        [[1, 0.5, 0], [2.5, 2, 1], [-2, -1, -1], [-1, -1, -1]],
        90,
        140,
    )
    shown = in_chromium(written(splats), (90, 140), tmp_path).astype(float)
    assert np.abs(shown - decode(to_bytes(splats))).max() <= 6


@pytest.mark.parametrize(("n", "channels"), [(0, 1), (0, 3), (30, 1), (30, 3)])
def test_every_channel_of_every_gaussian_is_drawn(n, channels):
    splats = random_splats(0, n, channels)
    text = written(splats)
    assert len(tags(text, "use")) == np.count_nonzero(splats.colors)
    assert len(tags(text, "radialGradient")) == channels
    opacities = [float(use.get("fill-opacity")) for use in tags(text, "use")]
    assert all(0 <= opacity <= 1 for opacity in opacities)


def test_a_huge_amplitude_makes_no_huge_file():
    splats = Splats([[20, 20]], [[3, 3]], [0], [[-1e6]], 40, 56)
    assert 1 < len(tags(written(splats), "use")) < 20


def test_the_picture_says_that_it_is_an_approximation():
    text = written(random_splats(1, 3))
    assert "approximation" in tags(text, "desc")[0].text
    assert ET.fromstring(text).get("viewBox") == "0 0 56 40"
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_pictures_cannot_be_read_back():
    with pytest.raises(InterchangeError, match=r"files of this kind can be written only"):
        load(b"<svg/>", extension=".svg")
