"""Compiles every GPU kernel ahead of time, as the host code launches it; no GPU needed."""

import os
import re
import subprocess
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

triton = pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("Triton's interpreter does not compile", allow_module_level=True)

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402
from triton.runtime.jit import JITFunction  # noqa: E402

from splatkernels import gpu, gpu_adam, triton_backward, triton_binning, triton_tiles, triton_update  # noqa: E402
from splatkernels.descent import Rates  # noqa: E402
from splatkernels.geometry import Output  # noqa: E402

CUOBJDUMP = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
# Bytes of shared memory that a thread block may have, by compute capability.
SHARED_LIMITS = {80: 163 * 1024, 90: 227 * 1024}
POINTERS = {
    torch.float32: "*fp32",
    torch.int16: "*i16",
    torch.int32: "*i32",
    torch.int64: "*i64",
}


def recorded_launches() -> dict[str, tuple[JITFunction, dict, dict, dict]]:
    """Kernel, arguments and options of each launch of the host code that compiles to something of its own."""
    launches = {}

    def record(kernel, *args, grid, warmup, **options):
        arguments = dict(zip(kernel.arg_names, args, strict=False))
        arguments |= {name: options.pop(name) for name in kernel.arg_names if name in options}
        signature = {}
        for parameter in kernel.params:
            value = arguments[parameter.name]
            if parameter.is_constexpr:
                signature[parameter.name] = "constexpr"
            elif isinstance(value, torch.Tensor):
                signature[parameter.name] = POINTERS[value.dtype]
                value.zero_()
            else:
                signature[parameter.name] = "fp32" if isinstance(value, float) else "i32"
        constants = {name: arguments[name] for name, kind in signature.items() if kind == "constexpr"}
        kinds = [f"{name}={value}" for name, value in constants.items()] + [
            k for k in signature.values() if k[0] == "*"
        ]
        launches[f"{kernel.__name__} {' '.join(kinds)} {options}"] = kernel, signature, constants, options

    with mock.patch.object(JITFunction, "run", record):
        for channels in range(1, 5):
            gaussians = [torch.zeros(shape) for shape in ((3, 2), (3, 2), (3,), (3, channels))]
            gpu.rasterize_backward(*gaussians, torch.zeros(channels, 40, 50), Output(40, 50))
            gpu.rasterize(*gaussians, Output(40, 50))
            optimizer = gpu_adam.GpuFrameAdam(
                np.zeros((channels, 40, 50), np.float32), smallest_scale=1, largest_scale=2, cutoff=3, device="cpu"
            )
            optimizer.step(Rates(0.15, 0.1, 0.1, 0.02))
        # Tiles beyond 16 bits.
        gaussians = [torch.zeros(shape) for shape in ((3, 2), (3, 2), (3,), (3, 1))]
        gpu.rasterize_backward(*gaussians, torch.zeros(1, 16, 16 * 2**15), Output(16, 16 * 2**15))
    return launches


LAUNCHES = recorded_launches()


def test_every_kernel_is_launched():
    kernels = {
        name
        for module in (triton_backward, triton_binning, triton_tiles, triton_update)
        for name, value in vars(module).items()
        if isinstance(value, JITFunction) and value.fn.__module__ == module.__name__ and not name.startswith("_")
    }
    modules = {path.stem for path in Path(gpu.__file__).parent.glob("triton_*.py")}
    assert modules == {"triton_backward", "triton_geometry", "triton_binning", "triton_tiles", "triton_update"}
    assert kernels == {kernel.__name__ for kernel, *_ in LAUNCHES.values()}


@pytest.mark.parametrize("capability", SHARED_LIMITS)
@pytest.mark.parametrize("launch", LAUNCHES)
def test_kernel_compiles_without_spills(launch, capability, tmp_path):
    kernel, signature, constants, options = LAUNCHES[launch]
    index = {name: (position,) for position, name in enumerate(kernel.arg_names)}
    source = ASTSource(
        fn=JITFunction(kernel.fn),
        signature=signature,
        constexprs={index[name]: value for name, value in constants.items()},
        attrs={index[name]: [["tt.divisibility", 16]] for name, kind in signature.items() if kind[0] == "*"},
    )
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    assert compiled.metadata.shared <= SHARED_LIMITS[capability]
    (tmp_path / "kernel.cubin").write_bytes(compiled.asm["cubin"])
    usage = subprocess.run(
        [CUOBJDUMP, "--dump-resource-usage", tmp_path / "kernel.cubin"], capture_output=True, text=True, check=True
    ).stdout
    registers, stack, local = map(int, re.search(r"REG:(\d+) STACK:(\d+) .*?LOCAL:(\d+)", usage).groups())
    print(launch, f"sm_{capability}: {registers} registers, {compiled.metadata.shared} bytes of shared memory")
    assert stack == 0
    assert local == 0
