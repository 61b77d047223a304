"""Bad arguments get an exception that names the argument, and nothing is computed.

Reference: the table below, which is the contract's; tolerance: none. `out` holds a canary that must survive.
Each row goes through the function and through the object.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from support import run_python, shaped

import pwconv
from pwconv import Conv1x1, conv1x1

BUILD = ("bias", "stride", "groups", "layout", "activation", "dtype")


def through_function(x, weight, **options):
    return conv1x1(x, weight, **options)


def through_object(x, weight, **options):
    build = {name: options.pop(name) for name in BUILD if name in options}
    return Conv1x1(weight, **build)(x, **options)


@pytest.fixture(params=(through_function, through_object), ids=("conv1x1", "Conv1x1"))
def form(request):
    return request.param


def good(layout):
    """A call that works: 4 to 6 channels on a batch of two 3 by 5 maps."""
    return {
        "x": np.ones(shaped((2,), 4, 3, 5, layout), np.float32),
        "weight": np.ones((6, 4), np.float32),
        "bias": np.ones(6, np.float32),
        "residual": np.ones(shaped((2,), 6, 3, 5, layout), np.float32),
        "out": np.full(shaped((2,), 6, 3, 5, layout), 7, np.float32),
        "layout": layout,
    }


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def maps(layout, channels, height, width, dtype=np.float32):
    return np.zeros(shaped((2,), channels, height, width, layout), dtype)


def masked(shape):
    return np.ma.masked_array(np.ones(shape, np.float32), mask=np.arange(np.prod(shape)).reshape(shape) == 1)


# name: (argument, how to make its value for a layout, exception, pattern of the message)
WRONG_VALUES = {
    "x scalar": ("x", lambda _: 1.0, r"\bx\b"),
    "x of rank 1": ("x", lambda _: zeros(4), r"\bx\b.*1|1.*\bx\b"),
    "x of rank 2": ("x", lambda _: zeros(4, 5), r"\bx\b.*2|2.*\bx\b"),
    "x ragged": ("x", lambda _: [[1, 2], [3]], r"\bx\b"),
    "x with other channels": ("x", lambda layout: maps(layout, 5, 3, 5), r"(?s)\bx\b.*5.*4|weight.*4.*5"),
    "x without channels": ("x", lambda layout: maps(layout, 0, 3, 5), r"\bx\b|weight"),
    "weight scalar": ("weight", lambda _: 1.0, r"\bweight\b"),
    "weight of rank 1": ("weight", lambda _: zeros(4), r"\bweight\b"),
    "weight of rank 3": ("weight", lambda _: zeros(6, 4, 1), r"\bweight\b"),
    "weight of rank 5": ("weight", lambda _: zeros(6, 4, 1, 1, 1), r"\bweight\b"),
    "weight of a 3 by 3 kernel": ("weight", lambda _: zeros(6, 4, 3, 3), r"\bweight\b"),
    "weight of a 1 by 3 kernel": ("weight", lambda _: zeros(6, 4, 1, 3), r"\bweight\b"),
    "weight with an empty kernel": ("weight", lambda _: zeros(6, 4, 0, 1), r"\bweight\b"),
    "weight of other channels": ("weight", lambda _: zeros(6, 3), r"\bweight\b.*3|\bx\b.*4"),
    "weight of TensorFlow": ("weight", lambda _: zeros(1, 1, 4, 6), r"\bweight\b.*w\[0, 0\]\.T"),
    "weight of TensorFlow, square": ("weight", lambda _: zeros(1, 1, 4, 4), r"\bweight\b.*w\[0, 0\]\.T"),
    "bias scalar": ("bias", lambda _: 1.0, r"\bbias\b"),
    "bias too short": ("bias", lambda _: zeros(5), r"\bbias\b.*5.*6|\bbias\b.*6.*5"),
    "bias too long": ("bias", lambda _: zeros(7), r"\bbias\b.*7.*6|\bbias\b.*6.*7"),
    "bias of length 1": ("bias", lambda _: zeros(1), r"\bbias\b"),
    "bias of rank 2": ("bias", lambda _: zeros(6, 1), r"\bbias\b"),
    "residual of other channels": ("residual", lambda layout: maps(layout, 4, 3, 5), r"\bresidual\b"),
    "residual of another size": ("residual", lambda layout: maps(layout, 6, 3, 4), r"\bresidual\b"),
    "residual without batch": ("residual", lambda layout: maps(layout, 6, 3, 5)[0], r"\bresidual\b"),
    "residual that would broadcast": ("residual", lambda layout: maps(layout, 6, 1, 1), r"\bresidual\b"),
    "stride 0": ("stride", lambda _: 0, r"\bstride\b.*0"),
    "stride negative": ("stride", lambda _: -1, r"\bstride\b.*-1"),
    "stride pair with 0": ("stride", lambda _: (1, 0), r"\bstride\b.*0"),
    "stride triple": ("stride", lambda _: (1, 1, 1), r"\bstride\b"),
    "stride empty": ("stride", lambda _: (), r"\bstride\b"),
    "stride very negative": ("stride", lambda _: -(2**70), r"\bstride\b"),
    "groups 0": ("groups", lambda _: 0, r"\bgroups\b.*0"),
    "groups negative": ("groups", lambda _: -2, r"\bgroups\b.*-2"),
    "groups that do not divide": ("groups", lambda _: 4, r"\bgroups\b.*4"),
    "groups that leave other channels": ("groups", lambda _: 2, r"\bweight\b|\bx\b|\bgroups\b"),
    "groups beyond an integer": ("groups", lambda _: 2**70, r"\bgroups\b"),
    "layout of another name": ("layout", lambda _: "NCWH", r"\blayout\b.*NCWH"),
    "layout in small letters": ("layout", lambda _: "nchw", r"\blayout\b.*nchw"),
    "layout empty": ("layout", lambda _: "", r"\blayout\b"),
    "activation of another name": ("activation", lambda _: "gelu", r"\bactivation\b.*gelu"),
    "activation of one bound": ("activation", lambda _: (0,), r"\bactivation\b"),
    "activation of three bounds": ("activation", lambda _: (0, 1, 2), r"\bactivation\b"),
    "activation upside down": ("activation", lambda _: (1, 0), r"\bactivation\b"),
    "activation with NaN below": ("activation", lambda _: (np.nan, 0), r"\bactivation\b"),
    "activation beyond a float": ("activation", lambda _: (0, 10**400), r"\bactivation\b"),
    "activation with NaN above": ("activation", lambda _: (0, np.nan), r"\bactivation\b"),
    "num_threads 0": ("num_threads", lambda _: 0, r"\bnum_threads\b.*0"),
    "num_threads negative": ("num_threads", lambda _: -3, r"\bnum_threads\b.*-3"),
}
WRONG_TYPES = {
    "x None": ("x", lambda _: None, r"\bx\b"),
    "x of objects": ("x", lambda layout: maps(layout, 4, 3, 5, object), r"\bx\b.*object"),
    "x complex": ("x", lambda layout: maps(layout, 4, 3, 5, "c8"), r"\bx\b.*complex64"),
    "x of dates": ("x", lambda layout: maps(layout, 4, 3, 5, "M8[s]"), r"\bx\b.*datetime64"),
    "x of durations": ("x", lambda layout: maps(layout, 4, 3, 5, "m8[s]"), r"\bx\b.*timedelta64"),
    "x of strings": ("x", lambda layout: maps(layout, 4, 3, 5, "U3"), r"\bx\b"),
    "x of bytes": ("x", lambda layout: maps(layout, 4, 3, 5, "S3"), r"\bx\b"),
    "x of records": ("x", lambda layout: maps(layout, 4, 3, 5, "f4,f4"), r"\bx\b"),
    "x masked": ("x", lambda layout: masked(shaped((2,), 4, 3, 5, layout)), r"\bx\b.*mask"),
    "weight None": ("weight", lambda _: None, r"\bweight\b"),
    "weight of objects": ("weight", lambda _: zeros(6, 4, dtype=object), r"\bweight\b.*object"),
    "weight complex": ("weight", lambda _: zeros(6, 4, dtype="c16"), r"\bweight\b.*complex128"),
    "weight of strings": ("weight", lambda _: "weights", r"\bweight\b"),
    "weight masked": ("weight", lambda _: masked((6, 4)), r"\bweight\b.*mask"),
    "bias complex": ("bias", lambda _: zeros(6, dtype="c8"), r"\bbias\b.*complex64"),
    "bias masked": ("bias", lambda _: masked((6,)), r"\bbias\b.*mask"),
    "residual complex": ("residual", lambda layout: maps(layout, 6, 3, 5, "c8"), r"\bresidual\b.*complex64"),
    "residual masked": (
        "residual",
        lambda layout: masked(shaped((2,), 6, 3, 5, layout)),
        r"\bresidual\b.*mask",
    ),
    "stride fractional": ("stride", lambda _: 1.5, r"\bstride\b"),
    "stride whole but float": ("stride", lambda _: (1, 2.0), r"\bstride\b"),
    "stride of text": ("stride", lambda _: "2", r"\bstride\b"),
    "stride None": ("stride", lambda _: None, r"\bstride\b"),
    "groups fractional": ("groups", lambda _: 2.0, r"\bgroups\b"),
    "groups None": ("groups", lambda _: None, r"\bgroups\b"),
    "layout None": ("layout", lambda _: None, r"\blayout\b"),
    "layout of bytes": ("layout", lambda _: b"NCHW", r"\blayout\b"),
    "activation callable": ("activation", lambda _: np.tanh, r"\bactivation\b"),
    "activation of text bounds": ("activation", lambda _: ("0", "1"), r"\bactivation\b"),
    "activation of bytes bounds": ("activation", lambda _: (b"0", b"1"), r"\bactivation\b"),
    "activation of complex bounds": ("activation", lambda _: (0, 1j), r"\bactivation\b"),
    "activation number": ("activation", lambda _: 6, r"\bactivation\b"),
    "dtype of integers": ("dtype", lambda _: np.int32, r"\bdtype\b.*int32"),
    "dtype half": ("dtype", lambda _: "float16", r"\bdtype\b.*float16"),
    "dtype complex": ("dtype", lambda _: complex, r"\bdtype\b.*complex128"),
    "dtype unknown": ("dtype", lambda _: "float33", r"\bdtype\b.*float33"),
    "num_threads fractional": ("num_threads", lambda _: 1.5, r"\bnum_threads\b"),
    "num_threads of text": ("num_threads", lambda _: "all", r"\bnum_threads\b"),
    "out list": ("out", lambda _: [0.0], r"\bout\b"),
    "out number": ("out", lambda _: 1.0, r"\bout\b"),
}


@pytest.mark.parametrize(
    "exception, row",
    (
        *(pytest.param(ValueError, row, id=name) for name, row in WRONG_VALUES.items()),
        *(pytest.param(TypeError, row, id=name) for name, row in WRONG_TYPES.items()),
    ),
)
def test_table(form, layout, exception, row):
    argument, make, pattern = row
    arguments = good(layout)
    out = arguments["out"]
    arguments[argument] = make(layout)
    with pytest.raises(exception, match=pattern):
        form(**arguments)
    assert (out == 7).all()


def test_the_good_call_is_good(form, layout):
    arguments = good(layout)
    assert form(**arguments) is arguments["out"]
    assert (arguments["out"] == 6).all()


@pytest.mark.parametrize("name", WRONG_TYPES.keys() & {"weight of objects", "bias complex", "stride fractional"})
def test_object_complains_when_it_is_made(name):
    argument, make, pattern = WRONG_TYPES[name]
    arguments = {"weight": zeros(6, 4), argument: make("NCHW")}
    with pytest.raises(TypeError, match=pattern):
        Conv1x1(**arguments)


def test_tensorflow_weight_of_one_channel_is_a_plain_weight(form, layout):
    """(1, 1, 1, 1) reads the same both ways."""
    x = np.full(shaped((), 1, 2, 2, layout), 3.0, np.float32)
    assert (form(x, zeros(1, 1, 1, 1) + 2, layout=layout) == 6).all()


@pytest.mark.parametrize("stride", (np.int64(2), (np.uint8(2), 2), [2, 2], np.array([2, 2])))
def test_integers_of_other_types(form, layout, stride):
    arguments = good(layout) | {"residual": None, "out": None}
    assert form(**arguments, stride=stride, groups=np.int32(1)).shape == shaped((2,), 6, 2, 3, layout)


@pytest.mark.parametrize("stride", (3, 2**31, 2**32 + 1, 2**62, 2**63 - 1))
def test_strides_beyond_the_image_take_its_first_pixel(isa, form, layout, rng, stride):
    x = rng.standard_normal(shaped((2,), 4, 3, 3, layout))
    weight = rng.standard_normal((6, 4))
    y = form(x, weight, layout=layout, stride=stride)
    first = x[..., :1, :1] if layout == "NCHW" else x[..., :1, :1, :]
    assert np.array_equal(y, form(first, weight, layout=layout))


# Shapes whose element or byte counts overflow 64 bits, or whose results no machine can hold. Each is a view
# of one number, so that nothing is allocated before the call.
HUGE = {
    "result": ("(1, 2**30, 2**29)", "(64, 1)", ""),
    "result of many channels": ("(1, 2**20, 2**20)", "(2**22, 1)", ""),
    "bytes of the result": ("(1, 2**29, 2**29)", "(4, 1)", ""),
    "batch": ("(2**40, 2**18, 1, 1, 1)", "(2**20, 1)", ""),
    "weight": ("(2**30, 1, 1)", "(2**30, 2**30)", ""),
    "weight alone": ("(2**55, 1, 1)", "(1, 2**55)", ""),
    "groups": ("(2**46, 1, 1)", "(2**46, 1)", "groups=2**46"),
    "groups of nothing": ("(0, 3, 3)", "(0, 0)", "groups=2**70"),
    "channels of no groups": ("(0, 3, 3)", "(0, 4)", "groups=2**62"),
    "channels": ("(2**60, 0, 1)", "(2**59, 2)", "groups=2**59"),
}


@pytest.mark.parametrize("kind", HUGE)
def test_sizes_that_overflow(layout, kind):
    x_shape, w_shape, options = HUGE[kind]
    axes = "*batch, channels, height, width" if layout == "NCHW" else "*batch, height, width, channels"
    run_python(f"""
        import numpy as np
        from pwconv import Conv1x1, conv1x1
        *batch, channels, height, width = {x_shape}
        shape = {axes}
        x, weight = (np.broadcast_to(np.float32(1), s) for s in (shape, {w_shape}))
        options = dict(layout={layout!r}, {options})
        for call in (conv1x1, lambda x, w, **k: Conv1x1(w, **k)(x)):
            try:
                assert call(x, weight, **options).size == 0
            except (ValueError, MemoryError) as error:
                print(type(error).__name__, error)
    """)


def parameters(function):
    every = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in every if p.kind is p.KEYWORD_ONLY}


def test_signatures():
    build = {"stride": 1, "groups": 1, "layout": "NCHW", "activation": None, "dtype": None}
    assert parameters(Conv1x1) == build
    assert parameters(conv1x1) == build | {"residual": None, "out": None, "num_threads": None}


@pytest.mark.parametrize("wrong", (((1,), {}), ((), {"stride": 1}), ((), {"outt": None}), ((), {"x": 1})))
def test_calls_of_the_object_take_its_keywords_alone(layout, wrong):
    arguments = good(layout)
    layer = Conv1x1(arguments["weight"], layout=layout)
    with pytest.raises(TypeError):
        layer(arguments["x"], *wrong[0], **wrong[1])
    with pytest.raises(TypeError):
        layer()
    assert layer(x=arguments["x"]).shape == arguments["out"].shape


def test_public_names():
    assert set(pwconv.__all__) >= {
        "Conv1x1",
        "conv1x1",
        "cost",
        "get_num_threads",
        "set_num_threads",
        "show_config",
        "weights",
    }
    for name in pwconv.__all__:
        assert getattr(pwconv, name).__doc__
