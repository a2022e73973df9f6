"""The machine code of every GPU kernel, compiled ahead of time as the host code launches it; no GPU needed."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

from splatkernels import gpu, gpu_adam
from splatkernels.descent import Rates
from splatkernels.geometry import Output

CUOBJDUMP = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
POINTERS = {torch.float32: "*fp32", torch.int16: "*i16", torch.int32: "*i32", torch.int64: "*i64"}


@dataclass(frozen=True)
class Launch:
    """A kernel, and what the host code compiles it for."""

    kernel: JITFunction
    signature: dict[str, str]
    constants: dict[str, Any]
    options: dict[str, Any]

    @property
    def name(self) -> str:
        return self.kernel.__name__

    @property
    def channels(self) -> int:
        """Channels that it is compiled for; 0 where it takes any."""
        return self.constants.get("CHANNELS", 0)

    def __str__(self) -> str:
        pointers = [kind for kind in self.signature.values() if kind[0] == "*"]
        return " ".join([self.name, *(f"{name}={value}" for name, value in self.constants.items()), *pointers])


@dataclass(frozen=True)
class MachineCode:
    """What a kernel was compiled to."""

    registers: int
    """Per thread."""
    stack: int
    """Bytes per thread that registers spill to."""
    local: int
    shared: int
    """Bytes per program."""
    instructions: tuple[str, ...]
    """Opcodes with their modifiers."""
    loops: tuple[tuple[str, ...], ...]
    """Those of every loop without another inside, in the order of the code."""


def count(instructions: tuple[str, ...], opcode: str) -> int:
    """How many instructions have an opcode, or it and further modifiers."""
    return sum(instruction == opcode or instruction.startswith(opcode + ".") for instruction in instructions)


def recorded_launches() -> dict[str, Launch]:
    """Each launch of the host code that compiles to something of its own."""
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
        launch = Launch(kernel, signature, constants, options)
        launches[str(launch)] = launch

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


@cache
def compiled(name: str, capability: int) -> MachineCode:
    """One of the launches for a compute capability, as 90."""
    launch = LAUNCHES[name]
    index = {argument: (position,) for position, argument in enumerate(launch.kernel.arg_names)}
    source = ASTSource(
        fn=JITFunction(launch.kernel.fn),
        signature=launch.signature,
        constexprs={index[argument]: value for argument, value in launch.constants.items()},
        attrs={
            index[argument]: [["tt.divisibility", 16]] for argument, kind in launch.signature.items() if "*" in kind
        },
    )
    kernel = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=launch.options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as cubin:
        cubin.write(kernel.asm["cubin"])
        cubin.flush()
        usage, listing = (
            subprocess.run([CUOBJDUMP, option, cubin.name], capture_output=True, text=True, check=True).stdout
            for option in ("--dump-resource-usage", "-sass")
        )
    registers, stack, local = map(int, re.search(r"REG:(\d+) STACK:(\d+) .*?LOCAL:(\d+)", usage).groups())
    code = [(int(address, 16), text) for address, text in re.findall(r"/\*([0-9a-f]{4,})\*/\s+(.*?)\s*;", listing)]
    opcodes = {address: re.sub(r"^@!?U?P\w+ ", "", text).split()[0] for address, text in code}
    return MachineCode(
        registers, stack, local, kernel.metadata.shared, tuple(opcodes.values()), tuple(_inner_loops(code, opcodes))
    )


def _inner_loops(code: list[tuple[int, str]], opcodes: dict[int, str]) -> list[tuple[str, ...]]:
    jumps = [(a, int(text.split("0x")[-1], 16)) for a, text in code if opcodes[a].split(".")[0] == "BRA"]
    # What a diverged warp does is out of line, and jumps back from there without a condition.
    diverged = [to for a, to in jumps if opcodes[a] == "BRA.DIV"]
    returns = {min(a for a, text in code if a >= to and text.startswith("BRA ")) for to in diverged}
    loops = [(to, a) for a, to in jumps if to < a and a not in returns]
    inner = [loop for loop in loops if not any(loop[0] <= a and b <= loop[1] for a, b in loops if (a, b) != loop)]
    return [tuple(opcode for a, opcode in opcodes.items() if first <= a <= last) for first, last in sorted(inner)]
