"""Where the tests of the GPU code run: on a CUDA device, or on the CPU when Triton's interpreter is on."""

import os
from functools import cache

import pytest
import torch

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"

gpu_code = [
    pytest.mark.gpu,
    pytest.mark.skipif(not INTERPRETED and not torch.cuda.is_available(), reason="needs a CUDA device"),
]
needs_device = pytest.mark.skipif(INTERPRETED, reason="needs a CUDA device")


@pytest.fixture
def poisoned_buffers():
    """Fill uninitialised tensors with NaN, and integer ones with their largest value."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def _patch_faster() -> None:
    """Let Triton's interpreter look for what it replaces once, instead of whenever a kernel calls a function.

    That takes a third of the time of these tests.
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


if INTERPRETED:
    _patch_faster()
