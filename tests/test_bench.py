"""The benchmark command: what it is asked, what it prints, and that it times contenders in turn. No time is asserted.

Reference: shapes and counts worked out by hand, and `pwconv.cost`; tolerance: none.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support import run_python

import pwconv
from pwconv import __main__, _bench, _core, _layers
from pwconv._layers import LAYOUTS, Layer, Operands


def bench(*arguments):
    return __main__.main(["bench", *arguments])


@pytest.fixture
def in_this_process(monkeypatch):
    """The environment that lets the command measure here, and a measurement that takes next to no time."""
    for name in _bench.THREAD_VARIABLES:
        monkeypatch.setenv(name, "1")
    table = _bench.print_table
    monkeypatch.setattr(_bench, "print_table", lambda layers: table(layers, rounds=1, slot=1e-5))


@pytest.mark.parametrize(
    "text, numbers",
    (
        ("256-64@56", (256, 64, 56, 56, 1, 1)),
        ("8x256-64@56x48/2", (256, 64, 56, 48, 2, 8)),
        ("3-1@1", (3, 1, 1, 1, 1, 1)),
        ("3-3@56x1", (3, 3, 56, 1, 1, 1)),
    ),
)
def test_shapes(text, numbers):
    layer = Layer.parse(text)
    assert layer[1:] == numbers
    assert layer.shape == text and str(layer) == f"given {text}"


@pytest.mark.parametrize("text", ("", "256-64", "256>64@56", "0-64@56", "256-64@56/0", "-1-64@5", "3-3@5x", "a3-3@5"))
def test_what_is_no_shape(text):
    with pytest.raises(_layers.BenchError, match=re.escape(repr(text))):
        Layer.parse(text)


@pytest.mark.parametrize("text", ("256-64@56", "8x16-64@55x7", "3-1@512"))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_costs_are_those_of_cost(text, layout):
    layer = Layer.parse(text)
    counted = pwconv.cost(layer.x_shape(layout), (layer.c_out, layer.c_in), layout=layout)
    assert layer.flops == 2 * counted.multiply_adds
    assert layer.bytes(layout) == counted.bytes_moved + 4 * layer.c_out  # the bias


def test_a_stride_skips_rows_and_whole_cache_lines():
    wide, narrow = Layer.parse("16-4@8x6/2"), Layer.parse("3-4@8x6/2")
    output, weights = 4 * 4 * 3, 4 * 17
    assert wide.bytes("NHWC") == 4 * (16 * 4 * 3 + output + weights)
    assert wide.bytes("NCHW") == 4 * (16 * 4 * 6 + output + weights)
    assert narrow.bytes("NHWC") == narrow.bytes("NCHW") == 4 * (3 * 4 * 6 + output + 4 * 4)


@pytest.mark.parametrize("text", ("7-5@4x3", "3x7-5@5x4/2"))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_contenders_compute_the_same(text, layout):
    data = Operands.draw(Layer.parse(text), layout)
    assert data.x.ctypes.data % 64 == 0
    own, other = _bench.by_pwconv(data)(), _bench.by_matmul(data)()
    assert own.shape == other.shape == data.layer.y_shape(layout)
    np.testing.assert_allclose(own, other, rtol=0, atol=1e-5)
    assert own.min() == 0 < own.max()


def test_contenders_run_in_turn():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    seconds = _bench.race(calls, _bench.Limit(1), 64, rounds=4, slot=1e-5)
    assert [len(seconds[name]) for name in "abc"] == [4, 4, 4]
    assert all(value > 0 for values in seconds.values() for value in values)
    turns = [name for name, _ in itertools.groupby(order)]
    assert turns == list("abc") * 5  # calibration and four rounds


def test_a_race_that_is_too_long_ends_after_three_rounds():
    seconds = _bench.race({"a": lambda: None}, _bench.Limit(1), 64, rounds=9, slot=1e-5, most=0)
    assert len(seconds["a"]) == 3


@pytest.mark.parametrize("threads", (1, 2))
def test_limit_is_the_best_that_was_seen(threads, monkeypatch):
    flops, copies = iter((2.0, 2.0, 3.0, 3.0)), iter((8.0, 8.0, 7.0, 7.0))
    monkeypatch.setattr(_core, "peak_flops", lambda seconds: next(flops), raising=False)
    monkeypatch.setattr(_core, "copy_bandwidth", lambda size, seconds: next(copies), raising=False)
    limit = _bench.Limit(threads)
    for _ in range(4 // threads):
        limit.measure(100)
    assert limit.flops == 3 * threads and limit.copy == {100: 8 * threads}
    assert limit.seconds(600 * threads, 100) == 200
    assert limit.seconds(1, 100) == pytest.approx(100 / (8 * threads))


def test_waiting_for_idle_threads_ends():
    _bench._settle(2)


def test_table(in_this_process, capsys):
    assert bench("--threads", "1", "--layers", "small", "7-5@4x3") == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert _core.selected_isa() in lines[0] and "threads" in lines[0] and np.__version__ in lines[0]
    header = next(line for line in lines if line.startswith("layer"))
    columns = re.split(r"\s{2,}", header)
    assert columns == ["layer", "layout", "pwconv ms", "GFLOP/s", "NumPy ms", "NumPy / pwconv", "of the limit"]
    rows = [re.split(r"\s{2,}", line) for line in lines if re.match(r"(small|given) ", line)]
    assert [row[:2] for row in rows] == [
        [layer, layout] for layer in ("small 32-32@6", "given 7-5@4x3") for layout in LAYOUTS
    ]
    for row in rows:
        assert len(row) == len(columns)
        assert all(float(cell) > 0 for cell in row[2:6])
        assert re.fullmatch(r"\d+%|-", row[6])
    assert "geometric mean" in text


def test_default_is_one_layer_of_each_kind():
    layers = _bench.choose([])
    assert {layer.network for layer in layers} == set(_bench.NETWORKS)
    assert any(layer.batch > 1 for layer in layers) and any(layer.stride > 1 for layer in layers)


def test_the_default_is_part_of_the_table_of_layers():
    file = Path(__file__).parents[1] / "bench" / "layers.py"
    spec = importlib.util.spec_from_file_location("layers", file)
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    assert list(layers.DOZEN) == _bench.choose([])
    assert len(set(layers.LAYERS)) == len(layers.LAYERS)


def test_another_number_of_threads_takes_another_process(monkeypatch):
    started = []

    def run(command, env, check):
        started.append((command, env))
        return subprocess.CompletedProcess(command, 7)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("OMP_NUM_THREADS", "97")
    assert bench("--threads", "1", "--layers", "small", "3-2@4") == 7
    ((command, env),) = started
    assert command[1:] == ["-m", "pwconv", "bench", "--threads", "1", "--layers", "small", "3-2@4"]
    assert all(env[name] == "1" for name in _bench.THREAD_VARIABLES)
    assert os.environ["OMP_NUM_THREADS"] == "97"


def test_command():
    code = "import runpy, sys; sys.argv[1:] = {!r}.split(); runpy.run_module('pwconv', run_name='__main__')"
    text = run_python(code.format("bench --threads 1 --layers 3-2@4"), env={"OMP_NUM_THREADS": None})
    assert "threads: 1" in text and "given 3-2@4" in text


@pytest.mark.parametrize(
    "arguments, words",
    (
        (("--layers", "resnet"), "no network resnet"),
        (("--layers", "small", "3-3@"), "'3-3@' is no layer"),
        (("--threads", "0"), "--threads is 0"),
        (("--threads", "100000"), "this process may use"),
    ),
)
def test_wrong_arguments(arguments, words, capsys):
    assert bench(*arguments) == 1
    assert words in capsys.readouterr().err


def test_a_wrong_result_is_a_failure(in_this_process, monkeypatch, capsys):
    monkeypatch.setattr(_bench, "by_pwconv", lambda data: data.out)
    assert bench("--threads", "1", "--layers", "3-2@4") == 1
    assert "differ" in capsys.readouterr().err


@pytest.mark.parametrize("error, code", ((MemoryError, 1), (KeyboardInterrupt, 130)))
def test_exit_codes(error, code, monkeypatch):
    def run(layers, threads):
        raise error

    monkeypatch.setattr(_bench, "run", run)
    assert bench() == code
