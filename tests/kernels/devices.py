"""Where the tests of the GPU code run: on a CUDA device, or on the CPU when Triton's interpreter is on."""

import os
from functools import cache

import numpy as np
import pytest
import torch

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"

gpu_code = [
    pytest.mark.gpu,
    pytest.mark.skipif(not INTERPRETED and not torch.cuda.is_available(), reason="needs a CUDA device"),
]
needs_device = pytest.mark.skipif(INTERPRETED, reason="needs a CUDA device")
needs_interpreter = pytest.mark.skipif(not INTERPRETED, reason="needs Triton's interpreter")


@pytest.fixture
def poisoned_buffers():
    """Fill uninitialised tensors with NaN, and integer ones with their largest value."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def shuffled_programs(monkeypatch):
    """Run the programs of every launch in an order of their own."""
    from triton.runtime.interpreter import interpreter_builder

    random = np.random.default_rng(0)
    set_size, set_place = interpreter_builder.set_grid_dim, interpreter_builder.set_grid_idx
    places: list[tuple[int, ...]] = []

    def shuffle(*size: int) -> None:
        set_size(*size)
        places[:] = random.permutation(list(np.ndindex(*size))).tolist()

    monkeypatch.setattr(interpreter_builder, "set_grid_dim", shuffle)
    monkeypatch.setattr(interpreter_builder, "set_grid_idx", lambda *_: set_place(*places.pop()))


@pytest.fixture
def accesses(monkeypatch) -> list[int]:
    """How often each program from now on loads or stores, alone or in blocks."""
    from triton.runtime.interpreter import interpreter_builder

    counts: list[int] = []

    def counted(method):
        def access(*arguments):
            counts[-1] += 1
            return method(*arguments)

        return access

    set_place = interpreter_builder.set_grid_idx
    monkeypatch.setattr(interpreter_builder, "set_grid_idx", lambda *place: (counts.append(0), set_place(*place)))
    for name in ("create_masked_load", "create_masked_store"):
        monkeypatch.setattr(interpreter_builder, name, counted(getattr(interpreter_builder, name)))
    return counts


def _patch_faster() -> None:
    """Let Triton's interpreter do less, which halves the time of these tests.

    It looks for what it replaces once, instead of whenever a kernel calls a function, and keeps the table of its types.
    It does not look for integers that overflow: without debugging, nothing comes of what it finds.
    """
    import inspect

    import triton.language as tl
    from triton.runtime import interpreter

    @cache
    def replaced(package) -> list[tuple[str, object]]:
        return [(name, member) for name, member in inspect.getmembers(package) if tl.core.is_builtin(member)]

    def patch(package, builder, scope) -> None:
        for name, member in replaced(package):
            if getattr(package, name) is member:
                interpreter._patch_attr(package, name, member, builder, scope)

    interpreter._patch_builtin = patch

    looked_up = interpreter._get_np_dtype
    kept = cache(looked_up)
    interpreter._get_np_dtype = lambda kind: looked_up(kind) if kind.scalar.is_ptr() else kept(kind.scalar)
    interpreter.interpreter_builder.options = interpreter.InterpreterOptions(sanitize_overflow=False)


if INTERPRETED:
    _patch_faster()
