"""`Conv1x1` is `conv1x1` with the weights packed once: immutable, thread-safe, and the same bits.

Reference: `conv1x1` on the same operands, or the same layer called alone; tolerance: none.
"""

from __future__ import annotations

import copy
import pickle
import random
import sys
import threading

import numpy as np
import pytest
from support import arrange, same_bits, shaped

from pwconv import Conv1x1, _core, conv1x1


@pytest.fixture
def weight(rng):
    return rng.standard_normal((33, 24)).astype("float32")


@pytest.fixture
def bias(rng):
    return rng.standard_normal(33).astype("float32")


@pytest.fixture
def x(rng, layout):
    return arrange(rng.standard_normal((2, 24, 9, 7)).astype("float32"), layout)


def public(layer):
    return [name for name in dir(layer) if not name.startswith("_") and not callable(getattr(layer, name))]


def test_attributes_cannot_be_set(weight, bias):
    layer = Conv1x1(weight, bias)
    for name in (
        "weight",
        "bias",
        "stride",
        "groups",
        "layout",
        "activation",
        "dtype",
        "new",
        *public(layer),
    ):
        with pytest.raises(AttributeError):
            setattr(layer, name, 1)
    for name in public(layer):
        with pytest.raises(AttributeError):
            delattr(layer, name)


def test_arrays_inside_cannot_be_written(weight, bias):
    layer = Conv1x1(weight, bias)
    for value in (getattr(layer, name) for name in public(layer)):
        assert not isinstance(value, np.ndarray) or not value.flags.writeable


def test_changing_the_weight_afterwards_changes_nothing(isa, layout, x, weight, bias):
    layer = Conv1x1(weight, bias, layout=layout)
    before = layer(x)
    weight[...], bias[...] = np.nan, np.nan
    assert same_bits(layer(x), before)
    for twin in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert same_bits(twin(x), before)


@pytest.mark.parametrize(
    "options",
    (
        {},
        {"activation": "relu6"},
        {"activation": (None, 0.5)},
        {"stride": (2, 1)},
        {"dtype": "float64"},
        {"groups": 3},
    ),
)
def test_copies_give_the_same_bits(isa, layout, x, weight, bias, options):
    layer = Conv1x1(weight[:, : 24 // options.get("groups", 1)], bias, layout=layout, **options)
    expected = layer(x)
    copies = [copy.copy(layer), copy.deepcopy(layer)]
    copies += [
        pickle.loads(pickle.dumps(layer, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    ]
    for twin in copies:
        assert type(twin) is Conv1x1
        assert repr(twin) == repr(layer)
        assert same_bits(twin(x), expected)


@pytest.mark.parametrize("state", ((), None, {}, b"", ("weight",), (np.zeros(3),) * 9))
def test_broken_pickles_raise(weight, state):
    """A state that no layer wrote ends in an exception, at loading or at the call, never in a signal."""
    layer = Conv1x1.__new__(Conv1x1)
    with pytest.raises(Exception):  # noqa: B017
        layer.__setstate__(state)
        layer(np.zeros((24, 3, 3), "f4"))


def test_a_layer_that_was_never_made(layout):
    with pytest.raises(Exception):  # noqa: B017
        Conv1x1.__new__(Conv1x1)(np.zeros((24, 3, 3), "f4"))


def test_repr_says_what_it_is(weight, bias):
    text = repr(Conv1x1(weight, bias, stride=(2, 1), layout="NHWC", activation="relu6", groups=3))
    for part in ("Conv1x1", "72", "33", "(2, 1)", "NHWC", "relu6", "groups=3", "float32", "bias"):
        assert part in text, part
    plain = repr(Conv1x1(weight))
    assert "24" in plain and "33" in plain and len(plain) < 200


def test_layer_keeps_the_instruction_set_it_was_made_with(layout, x, weight):
    """Its weights are packed for that set; changing the set later must not change how they are read."""
    layers = {}
    for name in _core.available_isas():
        before = _core.select_isa(name)
        layers[name] = Conv1x1(weight, layout=layout), conv1x1(x, weight, layout=layout)
        _core.select_isa(before)
    for layer, expected in layers.values():
        for name in _core.available_isas():
            before = _core.select_isa(name)
            assert same_bits(layer(x), expected)
            _core.select_isa(before)


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
            expected = conv1x1(
                call["x"], weight[:, : 24 // groups], bias, residual=call.get("residual"), **options
            )
            calls += [(name, call, expected, out) for out in outputs(expected)]
    order = random.Random(0)
    for _ in range(2):
        for name, call, expected, out in order.sample(calls, len(calls)):
            if out is not None:
                out[...] = 77
            y = layer(**call, out=out)
            assert out is None or y is out, name
            assert same_bits(y.copy(), expected), name


def test_a_good_call_does_not_excuse_a_bad_one(isa, layout, x, weight, bias):
    """After a call that worked, one with the same shapes that must not work still does not."""
    layer = Conv1x1(weight[:24], bias[:24], layout=layout)
    out, frozen = np.zeros_like(x), np.zeros_like(x)
    frozen.flags.writeable = False
    overlapping = np.zeros(2 * x.size, "float32")
    overlap = (overlapping[: x.size].reshape(x.shape), overlapping[8 : x.size + 8].reshape(x.shape))
    bad = (
        {"x": x, "out": x},
        {"x": x, "out": frozen},
        {"x": x, "out": out.astype("f8")},
        {"x": x, "out": out[:1]},
        {"x": x, "out": out, "residual": out},
        {"x": x, "out": out, "num_threads": 0},
        {"x": x[0, 0], "out": out},
        {"x": overlap[0], "out": overlap[1]},
        {"x": x.astype("c8")},
        {"x": x.astype(object)},
        {"x": x[..., :5], "out": out},
        {"x": x, "out": np.broadcast_to(out[:1], out.shape)},
        {"x": x, "out": out.view("i4")},
        {"x": x, "residual": x[..., :5]},
        {"x": np.ma.masked_equal(x, x.flat[0])},
        {"x": x, "out": out.astype(">f4")},
        {"x": x, "out": out.tolist()},
        {"x": x, "nut": out},
    )
    expected = layer(x)
    for call in bad:
        assert same_bits(layer(x, out=out), expected)
        with pytest.raises((TypeError, ValueError)):
            layer(**call)
        assert same_bits(layer(x, out=out, residual=None, num_threads=None), expected)


def test_many_threads_share_a_layer(isa, layout, rng, weight, bias):
    """Sixteen Python threads start together on one layer, each with its own mix of shapes."""
    layer = Conv1x1(weight, bias, layout=layout, activation="relu")
    inputs = [
        rng.standard_normal(shaped(batch, 24, height, width, layout)).astype(dtype)
        for batch, height, width, dtype in (
            ((), 1, 1, "f4"),
            ((2,), 7, 7, "f4"),
            ((3,), 28, 30, "f4"),
            ((), 6, 6, "f4"),
            ((2, 2), 9, 5, "f8"),
            ((), 56, 56, "f4"),
            ((1,), 3, 50, "f4"),
        )
    ]
    inputs += [a[..., ::-1] for a in inputs]
    expected = [layer(a) for a in inputs]
    start, wrong = threading.Barrier(16), []

    def work(seed):
        choice = random.Random(seed)
        outs = [np.empty_like(y) for y in expected]
        start.wait()
        for _ in range(40):
            i = choice.randrange(len(inputs))
            out, inside = choice.choice((None, outs[i])), choice.choice((None, 1, 2, 3))
            y = layer(inputs[i], out=out, num_threads=inside)
            if not same_bits(y, expected[i]):
                wrong.append((seed, i))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_layers_come_and_go_in_many_threads(isa, layout, x, weight):
    """Packing and freeing in parallel with calls of the same weights."""
    expected, start, wrong = conv1x1(x, weight, layout=layout), threading.Barrier(8), []

    def work():
        start.wait()
        for _ in range(30):
            if not same_bits(Conv1x1(weight, layout=layout)(x), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_operands_are_released(weight, bias, x, layout):
    """Neither a layer nor a call keeps a reference to the caller's arrays or to an old result."""
    out = np.empty(shaped((2,), 33, 9, 7, layout), "float32")
    counts = [sys.getrefcount(a) for a in (weight, bias, x, out)]
    layer = Conv1x1(weight, bias, layout=layout)
    for _ in range(50):
        layer(x, out=out)
        conv1x1(x, weight, bias, layout=layout, out=out)
        with pytest.raises(ValueError, match="out"):
            layer(x, out=out[:1])
    assert [sys.getrefcount(a) for a in (weight, bias, x, out)] == counts
