"""Compiled kernels are kept on disk, but never longer than their sources."""

import subprocess
import sys
import warnings

from splatkernels import jit

KERNEL = """
from constants import FACTOR

from splatkernels.jit import kernel


@kernel
def scaled(x):
    return FACTOR * x


print(scaled(1), sum(scaled.stats.cache_hits.values()))
"""


def run(directory) -> list[int]:
    result = subprocess.run([sys.executable, "scale.py"], cwd=directory, capture_output=True, check=True)
    return [int(word) for word in result.stdout.split()]


def test_kernels_are_compiled_anew_when_what_they_import_has_changed(tmp_path):
    (tmp_path / "scale.py").write_text(KERNEL)
    (tmp_path / "constants.py").write_text("FACTOR = 2\n")
    before = [run(tmp_path) for _ in range(2)]
    (tmp_path / "constants.py").write_text("FACTOR = 3\n")
    assert (before, run(tmp_path)) == ([[2, 0], [2, 1]], [3, 0])


def test_a_cache_that_cannot_be_written_is_mentioned_once(monkeypatch):
    def njit(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(jit, "njit", njit)
    jit._warn.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        functions = [jit.kernel(abs), jit.kernel(max)]
    assert functions == [abs, max]
    assert len(caught) == 1
    assert "NUMBA_CACHE_DIR" in str(caught[0].message)
