"""What every GPU kernel is compiled to: no spills, and loops that stay as lean as they are."""

import os
from pathlib import Path

import pytest

pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("Triton's interpreter does not compile", allow_module_level=True)

from triton.runtime.jit import JITFunction

from splatkernels import gpu, triton_backward, triton_binning, triton_tiles, triton_update

from . import arithmetic
from .machine_code import LAUNCHES, MachineCode, compiled, count

# Bytes of shared memory that a thread block may have, by compute capability.
SHARED_LIMITS = {80: 163 * 1024, 90: 227 * 1024}

every_launch = pytest.mark.parametrize("launch", LAUNCHES)
every_capability = pytest.mark.parametrize("capability", SHARED_LIMITS)


def longest_loop(code: MachineCode) -> tuple[str, ...]:
    return max(code.loops, key=len)


def test_every_kernel_is_launched():
    kernels = {
        name
        for module in (triton_backward, triton_binning, triton_tiles, triton_update)
        for name, value in vars(module).items()
        if isinstance(value, JITFunction) and value.fn.__module__ == module.__name__ and not name.startswith("_")
    }
    modules = {path.stem for path in Path(gpu.__file__).parent.glob("triton_*.py")}
    assert modules == {"triton_backward", "triton_geometry", "triton_binning", "triton_tiles", "triton_update"}
    assert kernels == {launch.name for launch in LAUNCHES.values()}


@every_capability
@every_launch
def test_kernels_compile_without_spills(launch, capability):
    code = compiled(launch, capability)
    print(f"{launch}, sm_{capability}: {code.registers} registers, {code.shared} bytes of shared memory")
    assert code.stack == code.local == 0
    # Four warps fit to each scheduler of a multiprocessor, or three where four channels take more registers.
    assert code.registers <= (128 if LAUNCHES[launch].channels < 4 else 168)
    assert code.shared <= SHARED_LIMITS[capability]


def launches_of(*names: str) -> list[str]:
    return [name for name, launch in LAUNCHES.items() if launch.name in names]


@every_capability
@pytest.mark.parametrize("launch", launches_of("render_tiles", "compare_tiles"))
def test_tiles_render_two_pairs_per_trip(launch, capability):
    loop = longest_loop(compiled(launch, capability))
    channels = LAUNCHES[launch].channels
    # Eight pixels per thread: as many exponentials and, per channel, multiplications with additions for each pair.
    assert count(loop, "MUFU.EX2") == 2 * 8
    assert len(loop) <= 2 * (100 + 12 * channels)
    # A slot, its owner, six numbers of the frame and one per channel.
    assert count(loop, "LDG") <= 2 * (8 + channels)
    assert count(loop, "SHFL") == count(loop, "STG") == count(loop, "BAR") == 0


@every_capability
@pytest.mark.parametrize("launch", launches_of("differentiate"))
def test_sums_of_the_gradient_stay_in_registers(launch, capability):
    loop = longest_loop(compiled(launch, capability))
    channels = LAUNCHES[launch].channels
    assert count(loop, "MUFU.EX2") == 8
    assert len(loop) <= 205 + 20 * channels
    # Eight pixels of every channel by fours, and the next tile.
    assert count(loop, "LDG.E.128") == 2 * channels
    assert count(loop, "LDG") == 2 * channels + 1
    assert count(loop, "SHFL") == count(loop, "STG") == count(loop, "BAR") == 0


@every_capability
def test_rows_of_sums_are_gathered_by_fours(capability):
    (launch,) = launches_of("gather")
    code = compiled(launch, capability)
    (loop,) = code.loops
    assert count(loop, "LDG.E.128") == count(loop, "LDG") == gpu.GATHER["ROWS"] * 8 // (32 * 4)
    assert len(loop) <= 85
    assert count(loop, "SHFL") == 0
    assert count(code.instructions, "SHFL") <= 4 * 4


@every_capability
@pytest.mark.parametrize("launch", launches_of("descend", "parameter_gradients"))
def test_gaussians_are_updated_one_per_thread(launch, capability):
    code = compiled(launch, capability)
    assert len(code.instructions) <= 700
    assert count(code.instructions, "SHFL") == count(code.instructions, "BAR") == 0


@every_capability
@pytest.mark.parametrize("launch", launches_of("emit_pairs"))
def test_pairs_are_emitted_without_waiting(launch, capability):
    code = compiled(launch, capability)
    # Free slots, then all bands of a trip of narrow and of wide Gaussians: two stores per pair.
    free, *bands = [loop for loop in code.loops if count(loop, "STG")]
    assert [count(loop, "STG") for loop in (free, *bands)] == [4, 2 * 4, 2 * 4]
    for loop in (free, *bands):
        assert len(loop) <= 75
        assert count(loop, "LDG") == count(loop, "SHFL") == count(loop, "BAR") == 0


@every_capability
@pytest.mark.parametrize("launch", launches_of("project"))
def test_pairs_are_counted_strip_by_strip(launch, capability):
    counting = [loop for loop in compiled(launch, capability).loops if count(loop, "SHFL")]
    (loop,) = counting
    assert len(loop) <= 90
    assert count(loop, "LDG") == count(loop, "STG") == count(loop, "BAR") == 0


def test_a_step_takes_90_microseconds_by_arithmetic():
    parts = arithmetic.step()
    assert sum(part.time for part in parts) <= 90
    # No warp is left alone for much longer than all others take.
    assert all(part.longest <= part.issue + 8 for part in parts)
