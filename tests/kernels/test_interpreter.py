"""Runs the tests of the GPU code under Triton's interpreter, which must be chosen before Triton is imported."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

triton = pytest.importorskip("triton")


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, without what follows them."""
    return tuple(map(int, re.findall(r"\d+", version.split("+")[0])[:3]))


needs_working_interpreter = pytest.mark.skipif(
    release(triton.__version__) < (3, 7, 1) and release(np.__version__) >= (2, 4),
    reason="Triton's interpreter works with this NumPy from Triton 3.7.1 on",
)

# Run side by side.
SELECTIONS = {
    "rasterizer": ["test_gpu_rasterizer.py"],
    "the rest": ["test_gpu_adam.py", "test_gpu_wide.py"],
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


@needs_working_interpreter
@pytest.mark.parametrize("name", SELECTIONS)
def test_interpreted_kernels(processes, name):
    report, _ = processes[name].communicate(timeout=900)
    assert processes[name].returncode == 0, report
    assert " passed" in report, report
