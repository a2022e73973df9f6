"""Where the tests of the GPU code run: on a CUDA device, or on the CPU when Triton's interpreter is on."""

import os

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
