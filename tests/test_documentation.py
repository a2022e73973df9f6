"""The code in the documents runs as printed, and their figures are those of the result files."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import matplotlib
import pytest
import torch
from PIL import Image

from .web.browser import in_chromium, needs_chromium

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("README.md", "kernels/README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))


def code_blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


def runnable(language: str) -> list[tuple[str, int]]:
    """Documents, and numbers of their blocks; what installs, and signatures, are left out."""
    return [
        (document, number)
        for document in DOCUMENTS
        for number, code in enumerate(code_blocks(document, language))
        if "pip install" not in code and (language == "sh" or "import" in code)
    ]


@pytest.fixture
def photos(tmp_path, monkeypatch, picture, encoded) -> Path:
    """What the documents take to be in the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("photo.png", "photos/photo.png"):
        Image.fromarray(picture).save(tmp_path / name)
    (tmp_path / "photo.gsi").write_bytes(encoded)
    model = {"_xyz": torch.zeros(2, 2), "_cholesky": torch.ones(2, 3), "_features_dc": torch.full((2, 3), 0.2)}
    torch.save(model, tmp_path / "gaussian_model.pth.tar")
    return tmp_path


@pytest.mark.parametrize(("document", "block"), runnable("python"))
def test_code_runs(document, block, photos):
    matplotlib.use("agg")
    exec(compile(code_blocks(document, "python")[block], document, "exec"), {"__name__": "__main__"})


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
@pytest.mark.parametrize(("document", "block"), runnable("sh"))
def test_commands_run(document, block, photos):
    run_shell(code_blocks(document, "sh")[block], photos)


@needs_chromium
@pytest.mark.parametrize(
    ("block", "proof"),
    [
        (0, "document.querySelector('gsi-image').complete"),
        (1, "logged.length === 3"),
        (2, "pixelOf(document.querySelector('#detail'))[3] === 255"),
    ],
)
def test_pages_run(block, proof, encoded):
    watch = """<script>
    const [faults, logged] = [[], []];
    console.log = (...values) => logged.push(...values);
    addEventListener("error", (event) => faults.push(event.message));
    addEventListener("unhandledrejection", (event) => faults.push(String(event.reason)));
    function pixelOf(canvas) {
      const context = new OffscreenCanvas(1, 1).getContext("2d");
      context.drawImage(canvas, 0, 0);
      return context.getImageData(0, 0, 1, 1).data;
    }
    </script>"""
    script = f"""
    const isOver = () => faults.length || {proof};
    for (let k = 0; k < 500 && !isOver(); k++) await new Promise((resolve) => setTimeout(resolve, 20));
    return faults.length ? faults : {proof};"""
    code = code_blocks("docs/web.md", "html")[block]
    assert in_chromium(script, {"photo.gsi": encoded}, head=watch + code) is True


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
def test_the_first_command_encodes_a_real_picture(photos):
    """What it does when it has installed the product."""
    _, _, *rest = code_blocks("README.md", "sh")[0].split(" && ")
    (photos / "examples").symlink_to(ROOT / "examples")
    run_shell(" && ".join(rest).replace(".venv/bin/", ""), photos)
    assert Image.open(photos / "astronaut.png").size == (512, 512)
    assert (photos / "astronaut.gsi").stat().st_size < 13_000


def run_shell(commands: str, directory: Path) -> None:
    """Run commands with the programs of this environment."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "XDG_DATA_HOME": str(directory / "share")}
    result = subprocess.run(["sh", "-ec", commands], cwd=directory, env=environment, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()


def test_every_document_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {Path(document).name for document in DOCUMENTS if document.startswith("docs/")}
    assert all(f"({page})" in index for page in pages - {"index.md"})


def test_links_lead_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", (ROOT / document).read_text()):
            if "://" not in target:
                assert ((ROOT / document).parent / target).exists(), f"{document}: {target}"


@cache
def load_publish():
    specification = importlib.util.spec_from_file_location("publish", ROOT / "benchmarks" / "publish.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("document", load_publish().DOCUMENTS)
def test_figures_are_those_of_the_result_files(document):
    assert (ROOT / document).read_text() == load_publish().rendered(document), "run python benchmarks/publish.py"
