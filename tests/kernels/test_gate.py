"""Parts of a kernel that wait for each other."""

import numpy as np
import pytest

from splatkernels.gate import meet, run_together, take
from splatkernels.jit import kernel
from splatkernels.threads import limited


@kernel
def _count_on(part, parts, gate, phases, numbers):
    """Each phase writes, unit by unit, one more than the least number of the phase before."""
    units = numbers.shape[1]
    for phase in range(1, phases):
        unit = take(gate, phase)
        while unit < units:
            numbers[phase, unit] = numbers[phase - 1].min() + 1
            unit = take(gate, phase)
        if not meet(gate, parts):
            return


@kernel
def _arrive(gate, parts, met):
    met[0] = meet(gate, parts)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_a_phase_sees_all_of_the_one_before(threads):
    """With more threads than cores, too."""
    phases, units = 200, 3
    for _ in range(20):
        numbers = np.zeros((phases, units))
        with limited(threads):
            run_together(_count_on, 8, phases, phases, numbers)
        np.testing.assert_array_equal(numbers, np.repeat(np.arange(phases), units).reshape(phases, units))


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_part_that_fails_keeps_nobody_waiting(failing):
    met = np.ones((3, 1), np.bool_)

    def work(part, parts, gate):
        if part == failing:
            raise KeyError(part)
        _arrive(gate, parts, met[part])

    with limited(3), pytest.raises(KeyError):
        run_together(work, 3, 1)
    assert met[failing]
    assert met.sum() == 1
