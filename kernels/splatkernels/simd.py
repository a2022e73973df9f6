"""A sixteen-lane float32 vector for Numba kernels.

Numba vectorises loops only when LLVM can prove them safe, which fails as soon as a loop keeps running sums in
registers. Here the vector is a value of its own, so a kernel says what it means and LLVM maps it to whatever
the CPU has: one AVX-512 register, two AVX registers, four NEON or SSE registers.

A pixel has one vector per channel. Functions named `..._channels` act on all of them; `channels` is a tuple of any kind
with one element per channel, so that their number is known when the kernel is compiled.

In memory a vector is sixteen consecutive floats. `load` and `store` address a C-contiguous float32 array whose last
axis holds the lanes, by the index of the vector in the flattened array.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 16

_FLOAT = ir.FloatType()
_INT = ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INT_VECTOR = ir.VectorType(_INT, LANES)


class _Float32x16(types.Type):
    def __init__(self):
        super().__init__(name="float32x16")


vector = _Float32x16()


@register_model(_Float32x16)
class _Float32x16Model(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _VECTOR)


def _constant(value):
    return ir.Constant(_VECTOR, [value] * LANES)


def _splat(builder, scalar):
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    single = builder.insert_element(undefined, scalar, _INT(0))
    return builder.shuffle_vector(single, undefined, ir.Constant(_INT_VECTOR, [0] * LANES))


def _fma(builder, a, b, c):
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32"
    )
    return builder.call(function, [a, b, c])


def _address(context, builder, signature, args, position=0):
    return context.make_array(signature.args[position])(context, builder, args[position]).data


def _load(builder, address, index):
    return builder.load(builder.bitcast(builder.gep(address, [index]), _VECTOR.as_pointer()), align=4)


def _store(builder, address, index, value):
    builder.store(value, builder.bitcast(builder.gep(address, [index]), _VECTOR.as_pointer()), align=4)


def _pairs(builder, a, b):
    return zip(cgutils.unpack_tuple(builder, a), cgutils.unpack_tuple(builder, b), strict=True)


@intrinsic
def splat(typingctx, scalar):
    """The vector whose lanes all equal `scalar`, rounded to float32."""

    def codegen(context, builder, signature, args):
        return _splat(builder, context.cast(builder, args[0], signature.args[0], types.float32))

    return vector(scalar), codegen


@intrinsic
def lane_numbers(typingctx):
    """The vector 0, 1, ..., 15."""

    def codegen(context, builder, signature, args):
        return ir.Constant(_VECTOR, [float(lane) for lane in range(LANES)])

    return vector(), codegen


@intrinsic
def load(typingctx, array, index):
    """The vector that starts at element `index` of a flattened C-contiguous float32 array."""

    def codegen(context, builder, signature, args):
        return _load(builder, _address(context, builder, signature, args), args[1])

    return vector(array, types.intp), codegen


@intrinsic
def store(typingctx, array, index, value):
    """Write `value` from element `index` of a flattened C-contiguous float32 array on."""

    def codegen(context, builder, signature, args):
        _store(builder, _address(context, builder, signature, args), args[1], args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), codegen


@intrinsic
def splat_channels(typingctx, channels, array, index):
    """One vector per channel, each filled with one of the consecutive elements of `array` from `index` on."""
    vectors = types.UniTuple(vector, channels.count)

    def codegen(context, builder, signature, args):
        address = _address(context, builder, signature, args, 1)
        parts = [
            _splat(builder, builder.load(builder.gep(address, [builder.add(args[2], args[2].type(c))])))
            for c in range(channels.count)
        ]
        return cgutils.pack_array(builder, parts, ty=_VECTOR)

    return vectors(channels, array, types.intp), codegen


@intrinsic
def zero_channels(typingctx, channels):
    """One vector of zeros per channel."""

    def codegen(context, builder, signature, args):
        return cgutils.pack_array(builder, [_constant(0.0)] * channels.count, ty=_VECTOR)

    return types.UniTuple(vector, channels.count)(channels), codegen


@intrinsic
def load_channels(typingctx, channels, array, index, stride):
    """One vector per channel, loaded at `index`, `index + stride`, ..."""
    vectors = types.UniTuple(vector, channels.count)

    def codegen(context, builder, signature, args):
        address = _address(context, builder, signature, args, 1)
        parts = []
        index = args[2]
        for _ in range(channels.count):
            parts.append(_load(builder, address, index))
            index = builder.add(index, args[3])
        return cgutils.pack_array(builder, parts, ty=_VECTOR)

    return vectors(channels, array, types.intp, types.intp), codegen


@intrinsic
def store_channels(typingctx, array, index, stride, values):
    """Write one vector per channel at `index`, `index + stride`, ..."""

    def codegen(context, builder, signature, args):
        address = _address(context, builder, signature, args)
        index = args[1]
        for value in cgutils.unpack_tuple(builder, args[3]):
            _store(builder, address, index, value)
            index = builder.add(index, args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, values), codegen


@intrinsic
def fma_channels(typingctx, a, b, c):
    """`a * b[k] + c[k]` for every channel k."""

    def codegen(context, builder, signature, args):
        parts = [_fma(builder, args[0], x, y) for x, y in _pairs(builder, args[1], args[2])]
        return cgutils.pack_array(builder, parts, ty=_VECTOR)

    return c(vector, b, c), codegen


@intrinsic
def dot_channels(typingctx, a, b):
    """The sum over channels k of `a[k] * b[k]`."""

    def codegen(context, builder, signature, args):
        dot = _constant(0.0)
        for x, y in _pairs(builder, args[0], args[1]):
            dot = _fma(builder, x, y, dot)
        return dot

    return vector(a, b), codegen


@intrinsic
def fma(typingctx, a, b, c):
    """`a * b + c`, lane by lane, fused where the CPU can."""

    def codegen(context, builder, signature, args):
        return _fma(builder, *args)

    return vector(vector, vector, vector), codegen


@intrinsic
def add_lanes(typingctx, vectors):
    """The sum of the lanes of each vector in a tuple, added pairwise and always in the same order.

    Halves of two vectors are added at a time, so that eight vectors take 23 operations instead of 64.
    """
    sums = types.UniTuple(types.float32, vectors.count)

    def codegen(context, builder, signature, args):
        parts = cgutils.unpack_tuple(builder, args[0])
        # After each round a vector holds the partial sums of twice as many of the given ones, `width` lanes of each.
        width = LANES
        while width > 1:
            width //= 2
            if len(parts) % 2:
                parts.append(parts[-1])
            merged = []
            for first, second in zip(parts[0::2], parts[1::2], strict=True):
                lanes = [lane for lane in range(2 * LANES) if lane // width % 2 == 0]
                low = builder.shuffle_vector(first, second, ir.Constant(_INT_VECTOR, lanes))
                high = builder.shuffle_vector(first, second, ir.Constant(_INT_VECTOR, [k + width for k in lanes]))
                merged.append(builder.fadd(low, high))
            parts = merged
        return cgutils.pack_array(
            builder,
            [builder.extract_element(parts[k // LANES], _INT(k % LANES)) for k in range(vectors.count)],
            ty=_FLOAT,
        )

    return sums(vectors), codegen


def _shuffle(lanes, description):
    """An intrinsic of vectors a and b that gives these lanes of both, in a row."""

    @intrinsic
    def shuffled(typingctx, a, b):
        def codegen(context, builder, signature, args):
            return builder.shuffle_vector(*args, ir.Constant(_INT_VECTOR, lanes))

        return vector(vector, vector), codegen

    shuffled.__doc__ = description
    return shuffled


even_lanes = _shuffle(list(range(0, 2 * LANES, 2)), "The even lanes of two vectors in a row.")
odd_lanes = _shuffle(list(range(1, 2 * LANES, 2)), "The odd lanes of two vectors in a row.")
near_lanes = _shuffle([1 + k // 2 for k in range(LANES)], "Of a first vector, lanes 1, 1, 2, 2, ..., 8, 8.")
beyond_lanes = _shuffle(
    [k // 2 + 2 * (1 - k % 2) for k in range(LANES)], "Of a first vector, lanes 2, 0, 3, 1, ..., 9, 7."
)
far_lanes = _shuffle([k // 2 + 2 * (k % 2) for k in range(LANES)], "Of a first vector, lanes 0, 2, 1, 3, ..., 7, 9.")


# Minimax polynomial of 2^f on [-1/2, 1/2], relative error 1e-7, lowest power first.
_EXP2 = (1.0, 0.6931469776, 0.2402224208, 0.0555073375, 0.0096715130, 0.0013264727)
# Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits of the float.
_ROUND = 12582912.0


@intrinsic
def exp2(typingctx, a):
    """2 ** a for lanes in [-64, 126]; lanes below -64 count as -64 (5e-20).

    Products with less would be denormal numbers, which take many times as long.
    """

    def codegen(context, builder, signature, args):
        below = builder.fcmp_ordered("<", args[0], _constant(-64.0))
        exponent = builder.select(below, _constant(-64.0), args[0])
        rounded = builder.fadd(exponent, _constant(_ROUND))
        fraction = builder.fsub(exponent, builder.fsub(rounded, _constant(_ROUND)))
        power = _constant(_EXP2[-1])
        for coefficient in _EXP2[-2::-1]:
            power = _fma(builder, power, fraction, _constant(coefficient))
        shift = builder.shl(builder.bitcast(rounded, _INT_VECTOR), ir.Constant(_INT_VECTOR, [23] * LANES))
        return builder.bitcast(builder.add(builder.bitcast(power, _INT_VECTOR), shift), _VECTOR)

    return vector(vector), codegen


def _binary(instruction):
    @intrinsic
    def operation(typingctx, a, b):
        def codegen(context, builder, signature, args):
            return getattr(builder, instruction)(*args)

        return vector(vector, vector), codegen

    return operation


_add, _sub, _mul, _div = _binary("fadd"), _binary("fsub"), _binary("fmul"), _binary("fdiv")


@overload(operator.add)
def _overload_add(a, b):
    if a is vector and b is vector:
        return lambda a, b: _add(a, b)
    return None


@overload(operator.sub)
def _overload_sub(a, b):
    if a is vector and b is vector:
        return lambda a, b: _sub(a, b)
    return None


@overload(operator.mul)
def _overload_mul(a, b):
    if a is vector and b is vector:
        return lambda a, b: _mul(a, b)
    return None


@overload(operator.truediv)
def _overload_div(a, b):
    if a is vector and b is vector:
        return lambda a, b: _div(a, b)
    return None
