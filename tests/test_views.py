"""Any view is taken as it is.

Reference: the result for contiguous, aligned, native copies of the operands; tolerance: none, bits are
compared. The bytes between the elements of `out` hold a canary that must survive.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mangle import INPUTS, NAMED, Plan, gaps, plain, plans
from support import CANARY, arrange, same_bits, shaped

from pwconv import Conv1x1, conv1x1

ACTIVATIONS = (None, "relu", (-0.5, 2.0))


def only_for_4d(plan, ndim):
    """Named plans are written for four axes; the order of other ranks is the same list without the rest."""
    order = tuple(axis for axis in plan.order if axis < ndim)
    return Plan(**{**vars(plan), "order": order})


@st.composite
def cases(draw):
    """The sizes of a convolution and a view for each operand."""
    size = st.sampled_from((*range(1, 10), 13, 17, 24, 33))
    groups = draw(st.sampled_from((1, 1, 1, 2, 3)))
    batch = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    axes, weight_axes = len(batch) + 3, draw(st.sampled_from((2, 4)))
    return {
        "batch": batch,
        "groups": groups,
        "c_in": groups * draw(st.one_of(st.just(0), size, size, size)),
        "c_out": groups * draw(size),
        "height": draw(st.integers(1, 12)),
        "width": draw(st.integers(1, 12)),
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        "dtype": draw(st.sampled_from(("float32", "float64"))),
        "seed": draw(st.integers(0, 99)),
        "x": draw(plans(axes)),
        "weight": draw(plans(weight_axes)),
        "weight_axes": weight_axes,
        "bias": draw(st.none() | plans(1)),
        "residual": draw(st.none() | plans(axes)),
        "out": draw(plans(axes, output=True)),
        "num_threads": draw(st.sampled_from((None, 1, 2))),
    }


@given(case=cases())
def test_any_views_together(isa, layout, case):
    rng = np.random.default_rng(case["seed"])
    batch, c_in, c_out, dtype = case["batch"], case["c_in"], case["c_out"], case["dtype"]
    height, width = (
        (case[side] - 1) // step + 1 for side, step in zip(("height", "width"), case["stride"], strict=True)
    )
    out_shape = shaped(batch, c_out, height, width, layout)
    shapes = {
        "x": shaped(batch, c_in, case["height"], case["width"], layout),
        "weight": (c_out, c_in // case["groups"], 1, 1)[: case["weight_axes"]],
        "bias": (c_out,),
        "residual": out_shape,
    }
    views = {
        name: case[name].of(rng.standard_normal(shape).astype(dtype))
        for name, shape in shapes.items()
        if case[name] is not None
    }
    copies = {name: plain(view) for name, view in views.items()}
    options = {name: case[name] for name in ("groups", "stride", "activation")} | {"layout": layout}

    expected = conv1x1(**copies, **options, num_threads=1)
    assert same_bits(conv1x1(**views, **options), expected)
    out, store = case["out"].place(out_shape, dtype)
    assert conv1x1(**views, **options, out=out, num_threads=case["num_threads"]) is out
    assert same_bits(plain(out), expected)
    assert (gaps(out, store) == CANARY).all()
    for name, view in views.items():
        assert same_bits(plain(view), copies[name]), f"{name} was written to"


@pytest.fixture(params=((2, 70, 96, 17, 19), (2, 3, 5, 60, 61), (2, 130, 33, 7, 7)), ids=str)
def large(request, layout, rng):
    """Operands of several blocks in each direction, and the options of the call."""
    batch, c_in, c_out, height, width = request.param
    return {
        "x": arrange(rng.standard_normal((batch, c_in, height, width)), layout).astype("float32"),
        "weight": rng.standard_normal((c_out, c_in)).astype("float32"),
        "bias": rng.standard_normal(c_out).astype("float32"),
        "residual": arrange(rng.standard_normal((batch, c_out, height, width)), layout).astype("float32"),
        "layout": layout,
    }


@pytest.mark.parametrize("operand", ("x", "weight", "bias", "residual"))
@pytest.mark.parametrize("kind", INPUTS)
def test_large_inputs(isa, large, operand, kind):
    view = only_for_4d(INPUTS[kind], large[operand].ndim).of(large[operand])
    expected = conv1x1(**large | {operand: plain(view)})
    for threads in (1, 2):
        assert same_bits(conv1x1(**large | {operand: view}, num_threads=threads), expected)


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize("stride", (1, 2))
def test_large_outputs(isa, large, kind, stride):
    large = large | {"stride": stride, "residual": None}
    expected = conv1x1(**large)
    for threads in (1, 2):
        out, store = NAMED[kind].place(expected.shape, expected.dtype)
        assert conv1x1(**large, out=out, num_threads=threads) is out
        assert same_bits(plain(out), expected)
        assert (gaps(out, store) == CANARY).all()


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("stride", (2, (1, 2), (2, 1), (3, 1)))
def test_large_strided(isa, large, kind, stride):
    view = INPUTS[kind].of(large["x"])
    large = large | {"stride": stride, "residual": None}
    assert same_bits(conv1x1(**large | {"x": view}), conv1x1(**large | {"x": plain(view)}))


@pytest.mark.parametrize("groups", (2, 5))
def test_groups_of_a_view(isa, layout, rng, groups):
    x = arrange(rng.standard_normal((2, 60, 9, 31)), layout)
    weight = rng.standard_normal((50, 60 // groups))
    for kind, plan in INPUTS.items():
        view = plan.of(x)
        expected = conv1x1(plain(view), weight, groups=groups, layout=layout)
        assert same_bits(conv1x1(view, weight, groups=groups, layout=layout), expected), kind


def test_every_other_channel(isa, layout, rng):
    x, weight = rng.standard_normal((2, 40, 9, 31)), rng.standard_normal((17, 20))
    memory = arrange(x, layout)
    view = memory[:, ::2] if layout == "NCHW" else memory[..., ::2]
    out = np.full((*shaped((2,), 34, 9, 31, layout),), np.nan)
    half = out[:, 1::2] if layout == "NCHW" else out[..., 1::2]
    conv1x1(view, weight, layout=layout, out=half)
    assert same_bits(plain(half), conv1x1(view.copy(), weight, layout=layout))
    assert np.isnan(out).sum() == half.size


def test_memory_mapped_files(isa, layout, dtype, rng, tmp_path):
    arrays = {
        "x": arrange(rng.standard_normal((2, 24, 9, 31)), layout),
        "weight": rng.standard_normal((17, 24)),
        "bias": rng.standard_normal(17),
    }
    maps = {}
    for name, array in arrays.items():
        array.astype(dtype).tofile(tmp_path / name)
        maps[name] = np.memmap(tmp_path / name, dtype, "r", shape=array.shape)
    out = np.memmap(tmp_path / "out", dtype, "w+", shape=shaped((2,), 17, 9, 31, layout))
    y = conv1x1(**maps, layout=layout)
    assert type(y) is np.ndarray
    assert conv1x1(**maps, layout=layout, out=out) is out
    expected = conv1x1(**{name: array.astype(dtype) for name, array in arrays.items()}, layout=layout)
    assert same_bits(y, expected) and same_bits(np.asarray(out), expected)


def test_layer_made_from_views(isa, layout, rng):
    x, weight, bias = rng.standard_normal((24, 9, 31)), rng.standard_normal((17, 24)), rng.standard_normal(17)
    x = arrange(x, layout)
    expected = conv1x1(x, weight, bias, layout=layout)
    for kind, plan in INPUTS.items():
        if not any(plan.repeats):
            layer = Conv1x1(only_for_4d(plan, 2).of(weight), only_for_4d(plan, 1).of(bias), layout=layout)
            assert same_bits(layer(x), expected), kind


@pytest.mark.parametrize("absurd", (2**62, -(2**62), 2**63 - 1, 0))
def test_strides_of_axes_of_length_1_are_never_used(isa, layout, rng, absurd):
    """Each axis of each operand in turn, and all at once."""
    arrays = {
        "x": arrange(rng.standard_normal((1, 1, 1, 1)), layout),
        "weight": rng.standard_normal((1, 1)),
        "bias": rng.standard_normal(1),
        "residual": rng.standard_normal((1, 1, 1, 1)),
        "out": np.empty((1, 1, 1, 1)),
    }
    long = {"none": (1, 1, 1, 1), "batch": (3, 1, 1, 1), "height": (1, 1, 3, 1), "width": (1, 1, 1, 40)}
    for size in long.values():
        shape = shaped(size[:1], *size[1:], layout)
        for name in ("x", "residual", "out"):
            arrays[name] = np.resize(arrays[name], shape)
        expected = conv1x1(**arrays | {"out": None}, layout=layout)
        for name, array in arrays.items():
            axes = [axis for axis in range(array.ndim) if array.shape[axis] == 1]
            for odd in (*([axis] for axis in axes), axes):
                strides = [absurd if axis in odd else array.strides[axis] for axis in range(array.ndim)]
                view = np.lib.stride_tricks.as_strided(array, array.shape, strides)
                y = conv1x1(**arrays | {name: view}, layout=layout, num_threads=2)
                assert same_bits(plain(y), expected), (name, odd)
