"""`Conv1x1` is `conv1x1` with the weights packed once: immutable, thread-safe, and the same bits.

Reference: `conv1x1` on the same operands, or the same layer called alone; tolerance: none.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import pickle
import random
import sys
import threading

import numpy as np
import pytest
from support import arrange, run_python, same_bits, shaped

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


@pytest.mark.parametrize("groups", (1, 3))
def test_weights_stay_the_same_however_calls_pack_them(isa, layout, rng, groups):
    """Whether pixels or channels lie side by side decides what tiles take for rows."""
    weight, bias = rng.standard_normal((3 * 49, 20)).astype("float32"), rng.standard_normal(3 * 49).astype("float32")
    layer = Conv1x1(weight, bias, groups=groups, layout=layout)
    assert same_bits(layer.weight, weight)
    packed_for = set()
    for height, width in ((1, 1), (1, 640), (2, 3), (40, 40)):
        x = rng.standard_normal((20 * groups, height, width)).astype("float32")
        expected = conv1x1(x, weight, bias, groups=groups)
        for order in ("C", "F"):
            here, out = np.array(x, order=order), np.empty(expected.shape, "float32", order)
            if layout == "NHWC":
                here, out = np.moveaxis(here, 0, -1), np.moveaxis(out, 0, -1)
            assert same_bits(layer(here, out=out), arrange(expected, layout))
            packed_for.add(layer._last_plan()["rows"])
            assert same_bits(layer.weight, weight)
            assert same_bits(pickle.loads(pickle.dumps(layer)).weight, weight)
    assert packed_for == {"pixels", "channels"}


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
    copies += [pickle.loads(pickle.dumps(layer, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    for twin in copies:
        assert type(twin) is Conv1x1
        assert repr(twin) == repr(layer)
        assert same_bits(twin(x), expected)


class Named(Conv1x1):
    def __new__(cls, weight, name):
        layer = Conv1x1.__new__(cls, weight)
        layer.name = name
        return layer


class Slotted(Conv1x1):
    __slots__ = ("name",)
    __new__ = Named.__new__


def test_copies_are_of_the_same_class(weight):
    kinds = [Named, Slotted] if sys.version_info >= (3, 11) else [Named]  # before, slots are nobody's state
    for kind in kinds:
        layer = kind(weight, "first")
        for twin in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert type(twin) is kind and twin.name == "first"
            assert same_bits(twin.weight, layer.weight)


def test_a_layer_is_seen_when_it_is_made():
    """Other threads run while its weights are copied, and look at whatever the collector knows."""
    run_python("""
        import gc, os, threading
        import numpy as np
        from pwconv import Conv1x1

        threading.excepthook = lambda args: (threading.__excepthook__(args), os._exit(1))
        weight, over, wrong = np.ones((8192, 1024)), False, []
        def look():
            while not over:
                wrong.extend(layer for layer in gc.get_objects(0) if type(layer) is Conv1x1 and layer.weight[0, 0] != 1)
        thread = threading.Thread(target=look)
        thread.start()
        for _ in range(3):
            layer = Conv1x1(weight)
            assert gc.is_tracked(layer)
        over = True
        thread.join()
        assert not wrong
    """)


JUNK = (None, (), {}, b"", "relu", -1, 2**70, 0.5, np.zeros(3), np.zeros((33, 0)), [[None]], object())


def test_broken_pickles_raise_or_work(weight, bias):
    """Whatever stands in a pickle ends in an exception or in a layer that works, never in a signal."""
    rebuild, arguments = Conv1x1(weight, bias).__reduce__()[:2]
    for place in range(len(arguments)):
        for junk in JUNK:
            with contextlib.suppress(Exception):
                layer = rebuild(*arguments[:place], junk, *arguments[place + 1 :])
                layer(np.zeros((24, 3, 3), "f4"))


def test_a_layer_that_was_never_made():
    for make in (Conv1x1.__new__, object.__new__, _core.Layer.__new__):
        with pytest.raises(TypeError):
            make(Conv1x1)


def test_repr_says_what_it_is(weight, bias):
    text = repr(Conv1x1(weight, bias, stride=(2, 1), layout="NHWC", activation="relu6", groups=3))
    for part in ("Conv1x1", "72", "33", "(2, 1)", "NHWC", "relu6", "groups=3", "float32", "bias"):
        assert part in text, part
    plain = repr(Conv1x1(weight))
    assert "24" in plain and "33" in plain and len(plain) < 200


CALLS = {
    "x": lambda layer, x, more: layer(x),
    "x by name": lambda layer, x, more: layer(x=x),
    "all by name": lambda layer, x, more: layer(x=x, **more),
    "names in another order": lambda layer, x, more: layer(
        x, num_threads=1, out=more["out"], residual=more["residual"]
    ),
    "names that are not interned": lambda layer, x, more: layer(
        x, **{"".join(list(name)): more[name] for name in more}
    ),
    "unbound": lambda layer, x, more: Conv1x1.__call__(layer, x, **more),
    "bound": lambda layer, x, more: layer.__call__(x, **more),
    "partial": lambda layer, x, more: functools.partial(layer, **more)(x),
    "mapped": lambda layer, x, more: next(map(layer, [x])),
    "starred": lambda layer, x, more: layer(*[x], **more),
}


@pytest.mark.parametrize("form", CALLS)
def test_every_form_of_a_call(x, weight, bias, layout, form):
    layer = Conv1x1(weight, bias, layout=layout)
    plain = conv1x1(x, weight, bias, layout=layout)
    residual, out = np.ones_like(plain), np.empty_like(plain)
    for _ in range(2):  # not known, and known
        result = CALLS[form](layer, x, {"residual": residual, "out": out, "num_threads": 1})
        expected = (
            plain
            if form in ("x", "x by name", "mapped")
            else conv1x1(x, weight, bias, layout=layout, residual=residual)
        )
        assert same_bits(result, expected)
        assert expected is plain or result is out


def test_a_wrong_call_is_a_type_error(x, weight, bias, layout):
    layer = Conv1x1(weight, bias, layout=layout)
    for call in (
        lambda: layer(),
        lambda: layer(x, x),
        lambda: layer(x, x=x),
        lambda: layer(x, bias=bias),
        lambda: layer(out=x),
        lambda: layer(x, **{"out": None, "": None}),
    ):
        for _ in range(2):
            with pytest.raises(TypeError):
                call()
            layer(x)


def test_a_class_may_have_a_call_of_its_own(x, weight, layout, monkeypatch):
    class Doubled(Conv1x1):
        def __call__(self, x, **more):
            return 2 * super().__call__(x, **more)

    class Plain(Conv1x1):
        pass

    expected = conv1x1(x, weight, layout=layout)
    doubled, plain = Doubled(weight, layout=layout), Plain(weight, layout=layout)
    for _ in range(2):
        assert same_bits(doubled(x), 2 * expected)
        assert same_bits(plain(x, residual=None), expected)
    monkeypatch.setattr(Plain, "__call__", lambda self, *args, **names: (args, names))
    assert plain(x, out=1) == ((x,), {"out": 1})
    assert plain(1, 2) == ((1, 2), {})
    monkeypatch.undo()
    assert same_bits(plain(x), expected)


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


@pytest.mark.parametrize("calls", (10, pytest.param(1_000, marks=pytest.mark.soak)))
def test_many_threads_share_a_layer(isa, layout, rng, weight, bias, calls):
    """Sixty-four Python threads start together on one layer, each with its own mix of shapes."""
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
    start, wrong = threading.Barrier(64), []

    def work(seed):
        choice = random.Random(seed)
        outs = [np.empty_like(y) for y in expected]
        start.wait()
        for _ in range(calls):
            i = choice.randrange(len(inputs))
            out, inside = choice.choice((None, outs[i])), choice.choice((None, 1, 2, 3))
            y = layer(inputs[i], out=out, num_threads=inside)
            if not same_bits(y, expected[i]):
                wrong.append((seed, i))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(64)]
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
