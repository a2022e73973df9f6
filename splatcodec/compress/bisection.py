"""Bisection in compiled code.

Numba's own `searchsorted` brings SciPy's linear algebra along wherever a kernel with it is loaded, which takes longer
than a decode.
"""

from splatkernels.jit import inlined


@inlined
def first_at_least(numbers, value):
    """Index of the first of some numbers in rising order that is at least `value`; how many there are if none is."""
    low, high = 0, len(numbers)
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low
