"""No call of a layer is fooled by the one before it.

Reference: `conv1x1` on the same operands; tolerance: none. The calls differ from each other in one thing or two: values,
shape, strides, dtype, alignment, place of the result, residual, threads.
"""

from __future__ import annotations

import random

import numpy as np
import pytest
from support import arrange, same_bits

from pwconv import Conv1x1, conv1x1, set_num_threads


@pytest.fixture
def weight(rng):
    return rng.standard_normal((33, 24)).astype("float32")


@pytest.fixture
def bias(rng):
    return rng.standard_normal(33).astype("float32")


def variants(rng, layout):
    """Calls that differ from each other in one thing, or two, that a remembered call could overlook."""
    x = arrange(rng.standard_normal((2, 24, 9, 7)).astype("float32"), layout)
    residual = arrange(rng.standard_normal((2, 33, 9, 7)).astype("float32"), layout)
    shifted = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view("float32").reshape(x.shape)
    wide = np.repeat(x, 2, axis=-1)
    other = arrange(rng.standard_normal((2, 24, 7, 9)).astype("float32"), layout)
    half = arrange(rng.standard_normal((24, 9, 7)).astype("float32"), layout)
    inputs = {
        "plain": x,
        "copy": x.copy(),
        "negative": -x,
        "shifted": shifted,
        "wide": wide[..., ::2],
        "reversed": x[..., ::-1],
        "float64": x.astype("float64"),
        "swapped": x.astype(">f4"),
        "exchanged": other,
        "no batch": half,
        "one image": x[:1],
        "empty": x[:0],
        "more batch": x[None],
        "uint8": (np.abs(x) * 50).astype("uint8"),
        "Fortran": np.asfortranarray(x),
        "ones": np.ones_like(x),
        "list": x[:1].tolist(),
        "repeated": np.broadcast_to(x[:1], x.shape),
    }
    calls = [
        (f"{name}, {threads}", {"x": value, "num_threads": threads})
        for name, value in inputs.items()
        for threads in (None, 1, 2)
    ]
    calls += [
        (f"{name} with residual", {"x": inputs[name], "residual": residual})
        for name in ("plain", "shifted", "reversed", "Fortran")
    ]
    calls += [("residual reversed", {"x": x, "residual": residual[..., ::-1]})]
    return calls


def outputs(expected):
    """Places for the result: none, fresh, the same again, strided, reversed, misaligned."""
    wide = np.empty((*expected.shape[:-1], 2 * expected.shape[-1]), expected.dtype)
    shifted = np.empty(expected.nbytes + 1, np.uint8)[1:].view(expected.dtype).reshape(expected.shape)
    kept = np.empty_like(expected)
    return [None, kept, kept, np.empty_like(expected), wide[..., ::2], kept[..., ::-1], shifted, kept]


@pytest.mark.parametrize("stride, groups", ((1, 1), ((2, 1), 1), (1, 3)))
def test_nothing_of_an_earlier_call_is_remembered(isa, layout, rng, weight, bias, stride, groups):
    options = {"stride": stride, "groups": groups, "layout": layout, "activation": "relu"}
    layer, calls = Conv1x1(weight[:, : 24 // groups], bias, **options), []
    for name, call in variants(rng, layout):
        if stride == 1 or "residual" not in call:
            expected = conv1x1(call["x"], weight[:, : 24 // groups], bias, residual=call.get("residual"), **options)
            calls += [(name, call, expected, out) for out in outputs(expected)]
    order = random.Random(0)
    for _ in range(2):
        for name, call, expected, out in order.sample(calls, len(calls)):
            if out is not None:
                out[...] = 77
            y = layer(**call, out=out)
            assert out is None or y is out, name
            assert same_bits(y.copy(), expected), name


def bad_calls(x):
    """Calls that must be refused, each close to one that is accepted."""
    out, frozen = np.zeros_like(x), np.zeros_like(x)
    frozen.flags.writeable = False
    store = np.zeros(2 * x.size, "float32")
    return {
        "out is x": {"x": x, "out": x},
        "out read-only": {"x": x, "out": frozen},
        "out overlaps x": {
            "x": store[: x.size].reshape(x.shape),
            "out": store[x.size - 1 : -1].reshape(x.shape),
        },
        "out overlaps itself": {"x": x, "out": np.broadcast_to(out[:1], out.shape)},
        "out is residual": {"x": x, "out": out, "residual": out},
        "out of float64": {"x": x, "out": out.astype("f8")},
        "out of integers": {"x": x, "out": out.view("i4")},
        "out byte-swapped": {"x": x, "out": out.astype(">f4")},
        "out too short": {"x": x, "out": out[:1]},
        "out a list": {"x": x, "out": out.tolist()},
        "x of rank 2": {"x": x[0, 0], "out": out},
        "x narrower": {"x": x[..., :5], "out": out},
        "x complex": {"x": x.astype("c8")},
        "x of objects": {"x": x.astype(object)},
        "x masked": {"x": np.ma.masked_equal(x, x.flat[0])},
        "residual narrower": {"x": x, "residual": x[..., :5]},
        "residual complex": {"x": x, "residual": x.astype("c8")},
        "no threads": {"x": x, "num_threads": 0},
        "no threads, with out": {"x": x, "out": out, "num_threads": 0},
        "threads below none": {"x": x, "num_threads": -1},
        "threads of float": {"x": x, "num_threads": 2.0},
        "unknown name": {"x": x, "outt": out},
    }


@pytest.mark.parametrize("name", bad_calls(np.zeros((1, 2, 2, 8), "f4")))
def test_a_good_call_does_not_excuse_a_bad_one(isa, layout, rng, weight, bias, name):
    x = arrange(rng.standard_normal((2, 24, 9, 8)).astype("float32"), layout)
    layer, bad = Conv1x1(weight[:24], bias[:24], layout=layout), bad_calls(x)[name]
    expected, out, residual = layer(x), np.zeros_like(x), np.zeros_like(x)
    for good in (
        {},
        {"out": out},
        {"residual": residual},
        {"out": out, "residual": residual},
        {"num_threads": 2},
    ):
        assert same_bits(layer(x, **good), expected)
        with pytest.raises((TypeError, ValueError)):  # which is test_arguments' concern
            layer(**bad)
        assert same_bits(layer(x, **good), expected)


@pytest.mark.parametrize("first, second", ((1, 2), (2, 1)))
def test_weights_fit_whatever_the_number_of_threads(isa, rng, keep_threads, first, second):
    """One thread's caches do not hold this x, two threads' may: that must not ask for weights in a form nobody packed."""
    x, weight = rng.standard_normal((64, 102, 102)).astype("float32"), rng.standard_normal((48, 64)).astype("float32")
    layer = Conv1x1(weight)
    set_num_threads(first)
    expected = layer(x)
    set_num_threads(second)
    assert same_bits(layer(x), expected)
