"""The code in the documents runs as printed, and their figures are those of the result files."""

import importlib.util
import re
from functools import cache
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
        for document in ("README.md", "kernels/README.md", "docs/benchmarks.md")
        for number, code in enumerate(code_blocks(document))
        if "import" in code
    ],
)
def test_code_runs(document, block, tmp_path, monkeypatch, picture):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture).save("photo.png")
    exec(compile(code_blocks(document)[block], document, "exec"), {"__name__": "__main__"})


@cache
def load_publish():
    specification = importlib.util.spec_from_file_location("publish", ROOT / "benchmarks" / "publish.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("document", load_publish().DOCUMENTS)
def test_figures_are_those_of_the_result_files(document):
    assert (ROOT / document).read_text() == load_publish().rendered(document), "run python benchmarks/publish.py"
