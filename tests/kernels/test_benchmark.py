"""benchmarks/gpu.py, tried out under Triton's interpreter, with nothing but torch, Triton and NumPy."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

from .test_interpreter import needs_working_interpreter

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@needs_working_interpreter
def test_a_row_that_fails_loses_no_other(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    for package in ("numba", "scipy", "PIL"):
        (blocked / f"{package}.py").write_text("raise ImportError('not installed')")
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(blocked), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, PROGRAM, "--output", tmp_path, "4@20x0", "4@20x17"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 1, ended.stderr
    bad, good = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert bad["failure"] == "ValueError: output size must be at least 1x1, got 20x0"
    assert bad["device"] == "interpreter"
    assert "failure" not in good
    assert all(good[check] for check in ("forward_right", "backward_right", "step_right"))
    assert {"sort", "forward", "backward", "step", "fit_seconds", "dense_both"} <= good.keys()
    assert bad["failure"] in ended.stdout


def test_a_row_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(PROGRAM.parent)
    specification = importlib.util.spec_from_file_location("gpu_benchmark", PROGRAM)
    program = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(program)
    cells = program.measure_apart(tmp_path / "row.json", "5000@768x512", 0.1)
    assert cells == {"row": "5000@768x512", "failure": "took longer than 0.1 s"}
