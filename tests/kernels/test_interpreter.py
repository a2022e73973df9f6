"""Runs the tests of the GPU code under Triton's interpreter, which must be chosen before Triton is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

# Run side by side, the slowest scene by itself.
SELECTIONS = {
    "crowded tile": ["test_gpu_rasterizer.py", "-k", "crowded"],
    "rasterizer": ["test_gpu_rasterizer.py", "-k", "not crowded"],
    "adam": ["test_gpu_adam.py"],
}


@pytest.fixture(scope="module")
def processes():
    """One pytest process per selection."""
    here = Path(__file__).parent
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    started = {
        name: subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "-W", "ignore", *selection],
            cwd=here,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, selection in SELECTIONS.items()
    }
    yield started
    for process in started.values():
        process.kill()


@pytest.mark.parametrize("name", SELECTIONS)
def test_interpreted_kernels(processes, name):
    report, _ = processes[name].communicate(timeout=900)
    assert processes[name].returncode == 0, report
    assert " passed" in report, report
