"""Where the parts of a kernel wait for each other, and share work out, so that one call can have several phases.

A gate is an array of integers. Parts take the units of a phase from a counter, and meet at its end: what one has
written before, all can read behind. Whoever waits spins, and soon lets others have the core between two looks. The
units of a phase are so many and so alike that nobody waits for long.
"""

import ctypes
import sys
from collections.abc import Callable

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import inlined, kernel
from .threads import run_or

# What a gate holds: how many parts have arrived, how many times all have, whether one never will, and then counters.
_ARRIVED, _MEETINGS, _CLOSED, _COUNTERS = 0, 8, 16, 24
# Looks before the core is left to others: a few microseconds.
_LOOKS = 1000

if sys.platform == "win32":
    _yield = ctypes.windll.kernel32.SwitchToThread
else:
    _yield = ctypes.CDLL(None).sched_yield
llvmlite.binding.add_symbol("splatkernels_leave_core", ctypes.cast(_yield, ctypes.c_void_p).value)
_leave_core = types.ExternalFunction("splatkernels_leave_core", types.int32())


def run_together(kernel: Callable[..., object], items: int, phases: int, *args: object) -> None:
    """As `threads.run`, of `kernel(part, parts, gate, *args)`, whose parts go through so many phases together."""
    gate = np.zeros(_COUNTERS + phases, np.int64)
    # `meet` says no from then on.
    run_or(lambda: gate.put(_CLOSED, 1), kernel, items, gate, *args)


def _pointer(context, builder, signature, args):
    return builder.gep(context.make_array(signature.args[0])(context, builder, args[0]).data, [args[1]])


@intrinsic
def _increment(typingctx, array, index):
    """Add one to an element, and give what it was, while no other thread sees it."""

    def codegen(context, builder, signature, args):
        return builder.atomic_rmw("add", _pointer(context, builder, signature, args), ir.IntType(64)(1), "seq_cst")

    return types.int64(array, types.intp), codegen


@intrinsic
def _look(typingctx, array, index):
    """An element as other threads have written it last."""

    def codegen(context, builder, signature, args):
        return builder.load_atomic(_pointer(context, builder, signature, args), "seq_cst", 8)

    return types.int64(array, types.intp), codegen


@inlined
def take(gate, phase):
    """The next unit of a phase: each is taken by one part."""
    return _increment(gate, _COUNTERS + phase)


@kernel
def meet(gate, parts):
    """Wait until all parts are here, and say whether they are; if not, one has failed, and nothing may be read."""
    meetings = _look(gate, _MEETINGS)
    if _increment(gate, _ARRIVED) + 1 == parts * (meetings + 1):
        _increment(gate, _MEETINGS)
    looks = 0
    while _look(gate, _MEETINGS) == meetings:
        if _look(gate, _CLOSED):
            return False
        looks += 1
        if looks > _LOOKS:
            _leave_core()
    return True
