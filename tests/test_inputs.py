"""What counts as an array, and which dtype the result has.

Reference: the same call on plain arrays already of the dtype of the result; tolerance: none.
"""

from __future__ import annotations

import array
import types

import numpy as np
import pytest
from support import arrange, convolve, integers, same_bits, shaped

from pwconv import Conv1x1, conv1x1

NARROW = ("bool", "uint8", "int8", "uint16", "int16", "float16")


@pytest.mark.parametrize(
    "kinds, expected",
    (
        *(((narrow, "float32"), "float32") for narrow in NARROW),
        *(((narrow, "float64"), "float64") for narrow in NARROW),
        *(((wide, "float32"), "float64") for wide in ("int32", "uint32", "int64", "uint64")),
        *(((narrow, narrow), "float32") for narrow in NARROW),
        (("int64", "int64"), "float64"),
        (("float32", "float32"), "float32"),
        (("float64", "float64"), "float64"),
        (("float32", "float64"), "float64"),
        (("float64", "float32"), "float64"),
        (("float32", "uint8"), "float32"),
        (("float32", "float32", "float64"), "float64"),
        (("uint8", "float32", "float32"), "float32"),
        (("uint8", "float32", "uint16"), "float32"),
        (("float32", "float32", "float32", "float64"), "float64"),
        (("float32", "float32", "int32"), "float64"),
    ),
)
def test_dtype_of_the_result(isa, layout, rng, kinds, expected):
    """The dtypes of x, weight, bias and residual; those not given are absent."""
    shapes = ((2, 5, 3, 7), (6, 5), (6,), (2, 6, 3, 7))
    operands = [integers(rng, shape, "int64", 9).astype(kind) for kind, shape in zip(kinds, shapes, strict=False)]
    operands += [None] * (4 - len(operands))
    x, weight, bias, residual = operands
    y = convolve(x, weight, bias, residual=residual, layout=layout)
    assert y.dtype == expected
    x, weight, bias, residual = (None if a is None else a.astype(expected) for a in operands)
    assert same_bits(y, convolve(x, weight, bias, residual=residual, layout=layout))


@pytest.mark.parametrize("asked", (np.float32, "float32", np.dtype("f4"), float, "f8"))
@pytest.mark.parametrize("kinds", (("float32", "float32"), ("float64", "float32"), ("uint8", "float64")))
def test_dtype_asked_for(isa, layout, rng, asked, kinds):
    x, weight = (
        integers(rng, shape, "int64", 9).astype(kind) for kind, shape in zip(kinds, ((5, 3, 7), (6, 5)), strict=True)
    )
    y = convolve(x, weight, layout=layout, dtype=asked)
    assert y.dtype == asked
    assert same_bits(y, convolve(x.astype(asked), weight.astype(asked), layout=layout))
    assert same_bits(y, Conv1x1(weight, dtype=asked)(x))


@pytest.mark.parametrize("kind", NARROW)
def test_every_value_of_a_narrow_type(isa, layout, kind):
    """Conversion is exact for each of the at most 65536 values, strided or not."""
    codes = np.arange(2, dtype="u1") if kind == "bool" else np.arange(2 ** (8 * np.dtype(kind).itemsize))
    values = codes.astype(f"u{np.dtype(kind).itemsize}").view(kind)
    values = values[np.isfinite(values)]
    for x in (values, values[::-1], values.astype(values.dtype.newbyteorder())):
        y = conv1x1(x.reshape(shaped((), 1, 1, -1, layout)), np.ones((1, 1), "f4"), layout=layout)
        assert np.array_equal(y.ravel(), x.astype("f4"))


def test_every_value_of_bfloat16(isa, layout, rng):
    """Each has a float32 of its own. The type is that of ml_dtypes, for x, the weights and what is added."""
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    values = np.arange(2**16).astype("u2").view(bfloat16)
    values = values[np.isfinite(values.astype("f4"))]
    for x in (values, values[::-1], values[:30_000:3]):
        y = conv1x1(x.reshape(shaped((), 1, 1, -1, layout)), np.ones((1, 1), bfloat16), layout=layout)
        assert y.dtype == "f4" and np.array_equal(y.ravel(), x.astype("f4"))
    x, weight, bias, residual = (
        integers(rng, shape, "f4", 9).astype(bfloat16)
        for shape in (shaped((2,), 5, 3, 7, layout), (6, 5), (6,), shaped((2,), 6, 3, 7, layout))
    )
    wide = [a.astype("f4") for a in (x, weight, bias)]
    for other in ("f2", "i4", "i8", "u8", "f8"):
        y = conv1x1(x, weight.astype("f4").astype(other), bias, layout=layout)
        assert same_bits(y, conv1x1(wide[0], wide[1].astype(other), wide[2], layout=layout))
    for real in ("f4", "f8"):
        y = conv1x1(x, weight, bias, residual=residual, layout=layout, dtype=real)
        assert same_bits(y, conv1x1(*wide, residual=residual.astype("f4"), layout=layout, dtype=real))


@pytest.mark.parametrize(
    "wrap",
    (
        np.ndarray.tolist,
        memoryview,
        lambda a: types.SimpleNamespace(__array_interface__=a.__array_interface__, keep=a),
    ),
    ids=("list", "buffer", "interface"),
)
def test_other_containers(layout, rng, wrap):
    x, weight = rng.standard_normal(shaped((2,), 5, 3, 7, layout)), rng.standard_normal((6, 5))
    bias, residual = np.ones(6), np.ones(shaped((2,), 6, 3, 7, layout))
    y = conv1x1(wrap(x), wrap(weight), wrap(bias), layout=layout, residual=wrap(residual))
    assert same_bits(y, conv1x1(x, weight, bias, layout=layout, residual=residual))


def test_array_protocol_and_arrays_of_the_library(layout, rng):
    class Holder:
        def __init__(self, values):
            self.values = values

        def __array__(self, dtype=None, copy=None):
            return self.values

    x, weight = rng.standard_normal(shaped((2,), 5, 3, 7, layout)), rng.standard_normal((6, 5))
    bias = array.array("d", range(6))
    expected = conv1x1(x, weight, np.arange(6.0), layout=layout)
    assert same_bits(conv1x1(Holder(x), Holder(weight), bias, layout=layout), expected)
    assert same_bits(Conv1x1(Holder(weight), bias, layout=layout)(Holder(x)), expected)


def test_subclasses_come_back_plain(layout, rng):
    class Mine(np.ndarray):
        pass

    x, weight = rng.standard_normal(shaped((2,), 5, 3, 7, layout)), rng.standard_normal((6, 5))
    expected = conv1x1(x, weight, layout=layout)
    unmasked = np.ma.masked_array(x)
    for y in (
        conv1x1(x.view(Mine), weight.view(Mine), layout=layout),
        conv1x1(unmasked, np.ma.masked_array(weight), layout=layout),
        conv1x1(np.ma.masked_array(x, mask=np.zeros(x.shape, bool)), weight, layout=layout),
        Conv1x1(weight.view(Mine), layout=layout)(x.view(Mine)),
    ):
        assert type(y) is np.ndarray
        assert same_bits(y, expected)


class Lazy:
    """Looks like a dask array: it must be refused before anybody computes it."""

    shape, dtype, ndim = (2, 5, 3, 7), np.dtype("f4"), 4

    def __dask_graph__(self):
        return {}

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("the lazy array was computed")


class Eager:
    """As an xarray.DataArray that holds numbers: it has the method, which says that there is no graph."""

    def __init__(self, values):
        self.values = values

    def __dask_graph__(self):
        return None

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


def test_arrays_that_could_be_lazy_and_are_not(layout, rng):
    x, weight = rng.standard_normal(shaped((2,), 5, 3, 7, layout)), rng.standard_normal((6, 5))
    assert same_bits(conv1x1(Eager(x), Eager(weight), layout=layout), conv1x1(x, weight, layout=layout))


def test_types_of_other_packages_are_refused():
    """NumPy tells their kind and size as those of its own: float8_e5m2 is a float of one byte."""
    float8 = pytest.importorskip("ml_dtypes").float8_e5m2
    for argument in ("x", "weight"):
        arrays = {"x": np.ones((2, 3, 3), "f4"), "weight": np.ones((2, 2), "f4")}
        arrays[argument] = arrays[argument].astype(float8)
        with pytest.raises(TypeError, match=rf"\b{argument}\b.*float8"):
            conv1x1(**arrays)


@pytest.mark.parametrize("argument", ("x", "weight", "bias", "residual"))
def test_lazy_arrays_are_sent_to_the_module_that_handles_them(argument):
    arguments = {"x": np.ones((2, 5, 3, 7), "f4"), "weight": np.ones((6, 5), "f4"), argument: Lazy()}
    with pytest.raises(TypeError, match=rf"\b{argument}\b.*dask"):
        conv1x1(**arguments)
    x, residual = arguments.pop("x"), arguments.pop("residual", None)
    with pytest.raises(TypeError, match=rf"\b{argument}\b.*dask"):
        Conv1x1(**arguments)(x, residual=residual)


def test_arrays_are_left_alone(isa, layout, rng):
    x, weight, bias = rng.standard_normal((2, 5, 3, 7)), rng.standard_normal((6, 5)), rng.standard_normal(6)
    x, residual = arrange(x, layout), arrange(rng.standard_normal((2, 6, 3, 7)), layout)
    operands = (x, weight, bias, residual)
    before = [a.copy() for a in operands]
    conv1x1(x, weight, bias, residual=residual, activation="relu", layout=layout)
    assert all(same_bits(a, b) for a, b in zip(operands, before, strict=True))
