"""Pictures that many tests share."""

import os
from pathlib import Path

# Before Numba is imported: tests that run side by side share the cores, and so do the processes they start.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    shared = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("NUMBA_NUM_THREADS", str(max(1, shared)))

import numpy as np
import pytest
from PIL import Image

import splatcodec
from splatcodec.encoding.encode import to_bytes


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """A small smooth colour picture with a sharp edge, uint8 [40, 56, 3]."""
    y, x = np.mgrid[:40, :56]
    planes = [np.sin(x / 9) * 60 + y * 2 + 60, np.cos(y / 7) * 50 + x + 80, 255 * (np.hypot(x - 30, y - 18) < 11)]
    return np.clip(np.stack(planes, axis=2), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """Blobs of many sizes, uint8 [144, 192, 3]."""
    rng = np.random.default_rng(0)
    truth = splatcodec.Splats(
        rng.uniform(0, 1, (900, 2)) * (192, 144),
        np.exp(rng.uniform(0, 3, (900, 2))),
        rng.uniform(0, np.pi, 900),
        rng.normal(0, 0.1, (900, 3)),
        144,
        192,
    )
    return np.uint8(255 * np.clip(truth.render() + 0.5, 0, 1)).transpose(1, 2, 0)


@pytest.fixture(scope="session")
def encoded(picture) -> bytes:
    """The picture as a .gsi file of 60 Gaussians in half precision."""
    return to_bytes(splatcodec.fit(picture, n_gaussians=60, effort=2))


@pytest.fixture
def files(tmp_path, picture, encoded) -> Path:
    """A directory with the picture, as picture.png and as picture.gsi."""
    Image.fromarray(picture).save(tmp_path / "picture.png")
    (tmp_path / "picture.gsi").write_bytes(encoded)
    return tmp_path


@pytest.fixture(scope="session")
def kodak() -> list[Path]:
    """The 24 Kodak pictures, from the directory that SPLATCODEC_KODAK names."""
    directory = os.environ.get("SPLATCODEC_KODAK")
    if not directory:
        pytest.skip("SPLATCODEC_KODAK does not name a directory with the Kodak pictures")
    paths = sorted(Path(directory).glob("kodim*.png"))
    assert len(paths) == 24, f"{directory} holds {len(paths)} of the 24 Kodak pictures"
    return paths
