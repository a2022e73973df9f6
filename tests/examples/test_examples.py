"""The examples run, and do what they say."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from PIL import Image

import splatcodec

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def load(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore:Kernel is running over TCP")
def test_the_tour_recovers_the_truth_and_shows_all_there_is():
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert float(re.search(r"recovered by \d+: PSNR ([\d.]+) dB", printed)[1]) >= 50
    assert "largest difference of the two pictures: 0.0\n" in printed
    shown = [kind for output in outputs for kind in output.get("data", {}) if kind.startswith("image/")]
    assert shown.count("image/gif") == 1
    assert shown.count("image/jpeg") == 6


def test_the_outputs_of_the_tour_are_kept():
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    assert all(cell.outputs for cell in notebook.cells[3:] if cell.cell_type == "code")


def test_a_loop_of_ones_own_fits(photo, tmp_path, monkeypatch, capsys):
    target = tmp_path / "photo.png"
    Image.fromarray(photo).save(target)
    out = tmp_path / "out.gsi"
    monkeypatch.setattr(
        sys, "argv", ["torch_loop.py", str(target), "--gaussians", "150", "--steps", "101", "--out", str(out)]
    )
    load("torch_loop").main()
    first, *_, last = (float(value) for value in re.findall(r"PSNR ([\d.]+) dB", capsys.readouterr().out))
    assert last > first + 6
    assert splatcodec.evaluate(target, out).psnr == pytest.approx(last, abs=1)
    assert torch.initial_seed() == 0


def test_edits_move_what_is_seen():
    edit = load("edit")
    splats = splatcodec.synthetic(8, 60, 60, seed=1)
    turned = edit.moved(splats, 30, 30, degrees=90)
    straight = edit.moved(splats, 30, 30)
    assert np.rot90(turned.render(), 1, axes=(1, 2)) == pytest.approx(straight.render(), abs=1e-4)
    small = edit.moved(splats, 15, 15, scale=0.5)
    assert small.render(120, 120)[:, :60, :60] == pytest.approx(straight.render(), abs=2e-2)


def test_a_merged_picture_is_the_sum(tmp_path, monkeypatch):
    edit = load("edit")
    subject, scene = splatcodec.synthetic(8, 40, 40, seed=1), splatcodec.synthetic(5, 50, 70, seed=2)
    for name, splats in (("subject", subject), ("scene", scene)):
        splatcodec.write(splats, tmp_path / f"{name}.gsi")
    monkeypatch.chdir(tmp_path)
    words = ["edit.py", "subject.gsi", "scene.gsi", "out.gsi", "--scale", "1", "--at", "20,20", "--tint", "0,1,0"]
    monkeypatch.setattr(sys, "argv", words)
    edit.main()
    added = edit.recolored(edit.moved(subject, 20, 20), 0, 1, 0)
    expected = scene.render() + added.render(50, 70, region=(0, 0, 70, 50))
    assert splatcodec.read("out.gsi").render() == pytest.approx(expected, abs=0.02)


def test_grey_and_coloured_files_are_merged():
    edit = load("edit")
    colored = splatcodec.synthetic(4, 30, 40)
    grey = splatcodec.Splats(colored.means, colored.scales, colored.rotations, colored.colors[:, :1], 30, 40)
    nothing = colored.take(np.arange(0))
    assert edit.merged(colored, grey).channels == edit.merged(grey, colored).channels == 3
    assert len(edit.merged(colored, edit.moved(nothing, 3, 4))) == 4


def test_a_crop_keeps_what_lies_inside():
    edit = load("edit")
    splats = splatcodec.synthetic(200, 100, 100)
    part = edit.crop(splats, 20, 30, 40, 50)
    assert 0 < len(part) < 200
    assert (part.means >= (20, 30)).all()
    assert (part.means < (60, 80)).all()
    assert part.scales.max() < 40
