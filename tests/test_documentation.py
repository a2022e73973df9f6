"""The code in the READMEs runs as printed."""

import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent


def code_blocks(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


@pytest.mark.parametrize(
    ("document", "block"),
    [
        (document, number)
        for document in ("README.md", "kernels/README.md")
        for number, code in enumerate(code_blocks(document))
        if "import" in code
    ],
)
def test_code_runs(document, block, tmp_path, monkeypatch, picture):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture).save("photo.png")
    exec(compile(code_blocks(document)[block], document, "exec"), {})
