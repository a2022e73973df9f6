"""Files that commands work on."""

import pytest
from PIL import Image


@pytest.fixture
def files(tmp_path, picture, encoded):
    Image.fromarray(picture).save(tmp_path / "picture.png")
    (tmp_path / "picture.gsi").write_bytes(encoded)
    return tmp_path
