"""Weight algebra gives layers that compute what the layers they came from compute.

Reference: the layers run one after the other through `pwconv._reference` in float64, or written as NumPy
products. Tolerance: none on whole numbers, on powers of two and on the rounding to float32 of what float64
gives; elsewhere 1e-12 of the largest output.
"""

from __future__ import annotations

import numpy as np
import pytest

from pwconv._reference import conv1x1
from pwconv.weights import compose, fold_batchnorm, from_dense


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def normalise(y, mean, var, gamma, beta, eps):
    """Batch normalisation of (N, C, H, W), as its paper writes it."""
    mean, var, gamma, beta = (np.reshape(a, (-1, 1, 1)) for a in (mean, var, gamma, beta))
    return gamma * (y - mean) / np.sqrt(var + eps) + beta


def assert_close(got, expected):
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("with_bias", (True, False))
@pytest.mark.parametrize("groups", (1, 3))
@pytest.mark.parametrize("form", ((), (1, 1)))
@pytest.mark.parametrize("eps", (1e-5, 1e-3, 0.0))
def test_folded_layer_computes_both(rng, with_bias, groups, form, eps):
    x, weight = rng.normal(size=(2, 6, 4, 5)), rng.normal(size=(9, 6 // groups, *form))
    bias = rng.normal(size=9) if with_bias else None
    mean, gamma, beta = rng.normal(size=(3, 9))
    var = rng.uniform(0.001, 2, 9)
    folded = fold_batchnorm(weight, bias, mean, var, gamma, beta, eps=eps)
    assert folded[0].shape == weight.shape and folded[1].shape == (9,)
    expected = normalise(conv1x1(x, weight, bias, groups=groups), mean, var, gamma, beta, eps)
    assert_close(conv1x1(x, *folded, groups=groups), expected)


def test_folding_defaults(rng):
    weight, mean, var = rng.normal(size=(3, 2)), rng.normal(size=3), rng.uniform(1e-6, 1, 3)
    for got, expected in zip(
        fold_batchnorm(weight, None, mean, var),
        fold_batchnorm(weight, np.zeros(3), mean, var, np.ones(3), np.zeros(3), eps=1e-5),
        strict=True,
    ):
        assert np.array_equal(got, expected)


def test_folding_is_exact_on_powers_of_two():
    mean, var, gamma, beta = [1.0, 2.0], [3.0, 15.0], [2.0, 8.0], [7.0, 9.0]
    weight, bias = fold_batchnorm([[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0], mean, var, gamma, beta, eps=1.0)
    assert np.array_equal(weight, [[1, 2], [6, 8]])
    assert np.array_equal(bias, [11, 17])


def test_folding_in_float32_rounds_once(rng):
    weight = rng.normal(size=(40, 30)).astype(np.float32)
    bias, mean, gamma, beta = rng.normal(size=(4, 40)).astype(np.float32)
    var = rng.uniform(1e-3, 1, 40).astype(np.float32)
    narrow = fold_batchnorm(weight, bias, mean, var, gamma, beta)
    wide = fold_batchnorm(*(a.astype(np.float64) for a in (weight, bias, mean, var, gamma, beta)))
    for n, w in zip(narrow, wide, strict=True):
        assert n.dtype == np.float32
        assert np.array_equal(n, w.astype(np.float32))


@pytest.mark.parametrize(
    "given, result",
    (
        ("float16", "float16"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("int8", "float64"),
        ("bool", "float64"),
    ),
)
def test_dtypes(given, result):
    weight = np.ones((2, 2), given)
    assert {a.dtype.name for a in fold_batchnorm(weight, None, [0, 0], [1, 1])} == {result}
    assert {a.dtype.name for a in compose((weight, None), (weight, None))} == {result}
    assert {a.dtype.name for a in from_dense(weight, shape=(2, 1, 1))} == {given}


def test_composing_takes_the_wider_dtype():
    narrow, wide = (np.ones((2, 2), np.float32), None), (np.ones((2, 2)), None)
    assert compose(narrow, wide)[0].dtype == compose(wide, narrow)[1].dtype == np.float64


@pytest.mark.parametrize("other, result", (("float16", "float32"), ("float64", "float64"), ("int64", "float64")))
def test_bfloat16_beside_others(other, result):
    """It stays what it is; another type is met as float32 would be."""
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    one, two = (np.full((2, 2), 3, bfloat16), None), (np.full((2, 2), 2, other), None)
    for folded in (compose(one, one)[0], fold_batchnorm(*one, [0, 0], [1, 1])[0]):
        assert folded.dtype == bfloat16
    for pair in ((one, two), (two, one)):
        weight, bias = compose(*pair)
        assert weight.dtype == bias.dtype == result and (weight == 12).all()


@pytest.mark.parametrize("bias1", (True, False))
@pytest.mark.parametrize("bias2", (True, False))
def test_composed_layer_computes_both(rng, bias1, bias2):
    def draw(*shape):
        return rng.integers(-9, 10, shape).astype(np.float32)

    x = draw(2, 4, 5, 6)
    first = draw(7, 4), draw(7) if bias1 else None
    second = draw(3, 7), draw(3) if bias2 else None
    weight, bias = compose(first, second)
    assert weight.dtype == bias.dtype == np.float32 and weight.shape == (3, 4) and bias.shape == (3,)
    expected = conv1x1(conv1x1(x, *first, stride=2), *second, stride=(1, 2), activation="relu")
    assert np.array_equal(conv1x1(x, weight, bias, stride=(2, 4), activation="relu"), expected)


@pytest.mark.parametrize(
    "form1, form2, form",
    (
        ((), (), ()),
        ((1, 1), (1, 1), (1, 1)),
        ((1, 1), (), ()),
        ((), (1, 1), ()),
    ),
)
def test_form_of_the_composed_weight(form1, form2, form):
    weight, _ = compose((np.ones((3, 2, *form1)), None), (np.ones((4, 3, *form2)), None))
    assert weight.shape == (4, 2, *form)


def test_composing_in_float32_rounds_once(rng):
    def draw(*shape):
        return rng.normal(size=shape).astype(np.float32)

    layers = (draw(9, 8), draw(9)), (draw(7, 9), draw(7))
    (w1, b1), (w2, b2) = (tuple(a.astype(np.float64) for a in layer) for layer in layers)
    for got, wide in zip(compose(*layers), (w2 @ w1, w2 @ b1 + b2), strict=True):
        assert got.dtype == np.float32
        assert np.array_equal(got, wide.astype(np.float32))


@pytest.mark.parametrize("layout", ("NCHW", "NHWC"))
def test_dense_layer_on_single_pixels_is_pointwise(rng, layout):
    dense, image = rng.normal(size=(10, 6)), rng.normal(size=(6, 3, 4))
    weight, bias = from_dense(dense, shape=(6, 1, 1) if layout == "NCHW" else (1, 1, 6), layout=layout)
    assert np.array_equal(weight, dense) and np.array_equal(bias, np.zeros(10))
    y = conv1x1(image, weight, bias)
    for i, j in np.ndindex(3, 4):
        assert_close(y[:, i, j], dense @ image[:, i, j])


@pytest.mark.parametrize("h, w", ((2, 3), (1, 3), (4, 1)))
@pytest.mark.parametrize("layout", ("NCHW", "NHWC"))
def test_dense_layer_slides_over_a_larger_image(rng, layout, h, w):
    dense, given, image = rng.normal(size=(10, 5 * h * w)), rng.normal(size=10), rng.normal(size=(5, 7, 8))
    kernel, bias = from_dense(dense, given, shape=(5, h, w) if layout == "NCHW" else (h, w, 5), layout=layout)
    assert kernel.shape == (10, 5, h, w) and bias is given
    view = np.lib.stride_tricks.sliding_window_view
    height, width = 8 - h, 9 - w
    if layout == "NCHW":
        patches = view(image, (h, w), axis=(1, 2)).transpose(0, 3, 4, 1, 2).reshape(-1, height, width)
        y = conv1x1(patches, kernel.reshape(10, -1), bias)
    else:
        image = np.moveaxis(image, 0, -1)
        patches = view(image, (h, w), axis=(0, 1)).reshape(height, width, -1)
        y = np.moveaxis(conv1x1(patches, kernel.reshape(10, -1), bias, layout=layout), -1, 0)
    for i, j in np.ndindex(height, width):
        window = image[:, i : i + h, j : j + w] if layout == "NCHW" else image[i : i + h, j : j + w]
        assert_close(y[:, i, j], dense @ window.ravel() + given)


def test_dense_layer_of_many_weights_is_not_copied(rng):
    dense = rng.normal(size=(3, 24))
    for layout, shape in (("NCHW", (4, 2, 3)), ("NHWC", (2, 3, 4)), ("NCHW", (24, 1, 1))):
        assert np.shares_memory(from_dense(dense, shape=shape, layout=layout)[0], dense)


def test_nothing_given_is_changed(rng):
    arrays = [rng.uniform(0.5, 1, s) for s in ((4, 4), 4, 4, 4, 4, 4)]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    fold_batchnorm(*arrays)
    compose((arrays[0], arrays[1]), (arrays[0], arrays[2]))
    from_dense(arrays[0], arrays[1], shape=(1, 2, 2))
    assert all(map(np.array_equal, arrays, before))


def test_no_channels():
    weight, bias = fold_batchnorm(np.ones((0, 3)), None, [], [])
    assert weight.shape == (0, 3) and bias.shape == (0,)
    weight, bias = compose((np.ones((0, 3)), None), (np.ones((2, 0)), [5.0, 6.0]))
    assert np.array_equal(weight, np.zeros((2, 3))) and np.array_equal(bias, [5, 6])
    assert from_dense(np.ones((0, 6)), shape=(1, 2, 3))[0].shape == (0, 1, 2, 3)


ONE, TWO = np.ones(1), np.ones(2)
W = np.ones((2, 3))
MASKED = np.ma.array(TWO, mask=[True, False])
FOLD_ERRORS = (
    ((np.ones(3), None, TWO, TWO), {}, ValueError, ("weight", "(3,)", "(C_out, C_in/groups)")),
    ((np.ones((1, 1, 3, 2)), None, TWO, TWO), {}, ValueError, ("weight", "(1, 1, 3, 2)", "w[0, 0].T")),
    ((np.ones((2, 3, 3, 3)), None, TWO, TWO), {}, ValueError, ("weight", "(2, 3, 3, 3)", "1, 1)")),
    ((W, ONE, TWO, TWO), {}, ValueError, ("bias", "(1,)", "(2,)")),
    ((W, None, ONE, TWO), {}, ValueError, ("mean", "(1,)", "(2,)")),
    ((W, None, TWO, W), {}, ValueError, ("var", "(2, 3)", "(2,)")),
    ((W, None, TWO, TWO, 1.0), {}, ValueError, ("gamma", "()", "(2,)")),
    ((W, None, TWO, TWO, None, ONE), {}, ValueError, ("beta", "(1,)", "(2,)")),
    ((W, None, TWO, [1.0, -0.5]), {}, ValueError, ("var", "-0.5", "channel 1", "> 0")),
    ((W, None, TWO, [0.0, 1.0]), {"eps": 0}, ValueError, ("var", "0.0", "channel 0", "eps is 0")),
    ((W * 1j, None, TWO, TWO), {}, TypeError, ("weight", "complex128", "real")),
    ((W, None, TWO, np.array(["1", "2"])), {}, TypeError, ("var", "U1", "real")),
    ((W, None, TWO.astype(object), TWO), {}, TypeError, ("mean", "object", "real")),
    ((W, TWO.astype("m8[s]"), TWO, TWO), {}, TypeError, ("bias", "timedelta", "real")),
    ((W, TWO.astype("M8[s]"), TWO, TWO), {}, TypeError, ("bias", "datetime", "real")),
    ((W, MASKED, TWO, TWO), {}, TypeError, ("bias", "masked", "filled")),
)
COMPOSE_ERRORS = (
    ((W, (W, None)), {}, TypeError, ("first", "ndarray", "(weight, bias)")),
    (((W, None), (W, None, None)), {}, ValueError, ("second", "3 elements", "(weight, bias)")),
    (((W, None), (W, None)), {}, ValueError, ("second", "(2, 3)", "takes 3", "expected 2")),
    (((W, ONE), (W.T, None)), {}, ValueError, ("bias of first", "(1,)", "(2,)")),
    (((W, None), (W.T, TWO)), {}, ValueError, ("bias of second", "(2,)", "(3,)")),
    (((W[0], None), (W.T, None)), {}, ValueError, ("weight of first", "(3,)", "(C_out")),
    (((W, None), (W.T[None, None], None)), {}, ValueError, ("weight of second", "(1, 1, 3, 2)", "w[0, 0].T")),
)
DENSE_ERRORS = (
    ((W,), {"shape": (2, 1, 1)}, ValueError, ("weight", "(2, 3)", "(N, 2)", "(C, h, w) = (2, 1, 1)")),
    ((ONE,), {"shape": (1, 1, 1)}, ValueError, ("weight", "(1,)", "(N, 1)")),
    ((W,), {"shape": (3, 1)}, ValueError, ("shape", "(3, 1)", "(C, h, w)")),
    ((W,), {"shape": (3, 1), "layout": "NHWC"}, ValueError, ("shape", "(3, 1)", "(h, w, C)")),
    ((W,), {"shape": (-3, -1, 1)}, ValueError, ("shape", "(-3, -1, 1)", "at least 1")),
    ((W,), {"shape": (3.0, 1, 1)}, TypeError, ("shape", "3.0", "integers")),
    ((W,), {"shape": 3}, TypeError, ("shape", "3", "integers")),
    ((W,), {"shape": (3, 1, 1), "layout": "HWC"}, ValueError, ("layout", "'HWC'", "'NCHW' or 'NHWC'")),
    ((W, ONE), {"shape": (3, 1, 1)}, ValueError, ("bias", "(1,)", "(2,)")),
    ((W, TWO * 1j), {"shape": (3, 1, 1)}, TypeError, ("bias", "complex128", "real")),
    ((W.astype(str),), {"shape": (3, 1, 1)}, TypeError, ("weight", "<U", "real")),
)


@pytest.mark.parametrize(
    "function, arguments, options, error, words",
    (
        *((fold_batchnorm, *case) for case in FOLD_ERRORS),
        *((compose, *case) for case in COMPOSE_ERRORS),
        *((from_dense, *case) for case in DENSE_ERRORS),
    ),
)
def test_errors_name_what_was_and_what_should_be(function, arguments, options, error, words):
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    assert all(word in str(caught.value) for word in words), caught.value
