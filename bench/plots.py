"""Draw what `make bench` measured: speed against each peer by layer, and the roofline. README.md says how to read it.

    python plots.py [FILE.json ...]

Reads files of results/, by default all, and nothing else; writes an SVG and a PNG of each picture beside its file.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

RESULTS = Path(__file__).with_name("results")
OWN = "pwconv"
LAYOUTS = ("NCHW", "NHWC")
# Told apart by those who see no red and green, too.
WIN, LOSS, INK, FAINT = "#2166ac", "#d6604d", "0.2", "0.75"
PALETTE = ("#2166ac", "#d6604d", "#1b7837", "#9970ab", "#b8860b", "#35978f", "#de77ae", "#525252", "#8c510a")

matplotlib.rcParams.update(
    {
        "font.size": 8,
        "svg.hashsalt": "pwconv",  # the same picture is the same file
        "svg.fonttype": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
)


def main(paths):
    for path in paths or sorted(RESULTS.glob("*.json")):
        run = json.loads(Path(path).read_text())
        for layout in LAYOUTS:
            if groups_of(run, layout):
                save(draw_ratios(run, layout), path, f"ratio-{layout.lower()}")
        if run["machine_info"]["peak_gflops"]:
            save(draw_rooflines(run), path, "roofline")


def save(figure, path, name):
    for kind, options in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": 160})):
        file = Path(path).with_suffix("").with_name(f"{Path(path).stem}-{name}.{kind}")
        figure.savefig(file, **options)
        print(file)


def groups_of(run, layout):
    """Contender → its row, for each layer, in the order of the run."""
    groups = {}
    for row in run["benchmarks"]:
        info = row["extra_info"]
        if info["layout"] == layout:
            groups.setdefault((info["network"], info["shape"]), {})[info["contender"]] = row
    return {layer: rows for layer, rows in groups.items() if OWN in rows}


def ratio(own, peer):
    """How many times faster, in the median of the rounds: both ran in each."""
    pairs = zip(own["stats"]["data"], peer["stats"]["data"], strict=True)
    return statistics.median(other / mine for mine, other in pairs)


def caption(run, what):
    machine = run["machine_info"]
    threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"
    return f"{what}\n{machine['cpu']}, {machine['isa']}, {threads}; float32, bias and ReLU"


def draw_ratios(run, layout):
    """A panel for the best peer and for each, a bar for each layer: to the right of 1 pwconv is faster."""
    groups = groups_of(run, layout)
    peers = list(dict.fromkeys(name for rows in groups.values() for name in rows if name != OWN))
    ratios = {
        name: [ratio(rows[OWN], rows[name]) if name in rows else None for rows in groups.values()] for name in peers
    }
    best = [min(filter(None, column), default=None) for column in zip(*ratios.values(), strict=True)]
    panels = {"best peer": best} | ratios
    low = min(1 / 1.3, 0.9 * min(filter(None, best)))
    high = 1.15 * max(value for values in ratios.values() for value in values if value)

    height = 1.15 + 0.17 * len(groups)
    figure = Figure(figsize=(1.9 + 1.25 * len(panels), height), layout="constrained")
    figure.suptitle(caption(run, f"Speed of pwconv over that of each peer, {layout}"), x=0.01, ha="left", fontsize=10)
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    versions = run["machine_info"]["versions"]
    for axes, (name, values) in zip(all_axes, panels.items(), strict=True):
        draw_panel(axes, values, (low, high))
        mean = statistics.geometric_mean(filter(None, values))
        version = (versions.get(name) or versions.get(name.partition(".")[0]) or "").partition("+")[0]
        axes.set_title(f"{name}\n{version}\nmean {mean:.2f}", loc="left", fontsize=8, color=INK)
    label_layers(all_axes[0], list(groups))
    keys = [Line2D([], [], color=color, linewidth=5, label=text) for color, text in ((WIN, "faster"), (LOSS, "slower"))]
    figure.legend(handles=keys, loc="upper right", ncols=2, frameon=False, handlelength=1)
    return figure


def draw_panel(axes, values, limits):
    axes.set_xscale("log")
    axes.set_xlim(limits)
    for position, value in enumerate(values):
        if value:
            axes.barh(position, value - 1, left=1, height=0.75, color=WIN if value >= 1 else LOSS)
            text, color = f"{value:.2f}" if value < 10 else f"{value:.0f}", INK if value >= 1 else LOSS
            write(axes, text, (max(value, 1), position), (2, 0), color=color, va="center")
    axes.axvline(1, color=INK, linewidth=0.8)
    plain_numbers(axes.xaxis, (1, 2, 5) if limits[1] < 100 * limits[0] else (1,))
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=6)


def write(axes, text, place, offset, **options):
    """Small text at `offset` points from a place in the data."""
    options = {"fontsize": 6, "color": INK, "annotation_clip": False} | options
    axes.annotate(text, place, xytext=offset, textcoords="offset points", **options)


def plain_numbers(axis, steps=(1, 2, 5)):
    axis.set_major_locator(LogLocator(10, steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def label_layers(axes, layers):
    axes.set_yticks(range(len(layers)), [f"{network}  {shape}" for network, shape in layers])
    axes.set_ylim(len(layers) - 0.4, -0.6)


def draw_rooflines(run):
    """Each layer's rate over its intensity, under the limit that was measured beside it."""
    points = {layout: {layer: point(rows) for layer, rows in groups_of(run, layout).items()} for layout in LAYOUTS}
    points = {layout: layers for layout, layers in points.items() if layers}
    networks = list(dict.fromkeys(network for layers in points.values() for network, _ in layers))
    colors = dict(zip(networks, PALETTE * len(networks), strict=False))
    intensities, rates, _ = zip(*(values for layers in points.values() for values in layers.values()), strict=True)
    view = {
        "xscale": "log",
        "yscale": "log",
        "xlim": (0.3 * min(intensities), 1.6 * max(intensities)),
        "ylim": (0.6 * min(rates), 1.4 * run["machine_info"]["peak_gflops"]),
        "xlabel": "operations per byte",
    }
    figure = Figure(figsize=(1 + 4.8 * len(points), 4.4), layout="constrained")
    figure.suptitle(
        caption(run, "Roofline: every layer (dot) under its own limit (dash)"), x=0.01, ha="left", fontsize=10
    )
    all_axes = figure.subplots(1, len(points), sharey=True, squeeze=False)[0]
    for axes, (layout, layers) in zip(all_axes, points.items(), strict=True):
        axes.set(**view)
        axes.set_title(layout, loc="left", fontsize=9, color=INK)
        draw_limits(axes, run["machine_info"])
        for (network, _), (intensity, rate, limit) in layers.items():
            axes.plot((intensity, intensity), (rate, limit), color=colors[network], linewidth=0.8)
            axes.plot(intensity, limit, "_", markersize=5, color=colors[network])
            axes.plot(intensity, rate, "o", markersize=4, color=colors[network])
    all_axes[0].set_ylabel("GFLOP/s")
    keys = [Line2D([], [], linestyle="", marker="o", color=color, label=name) for name, color in colors.items()]
    figure.legend(handles=keys, loc="outside right center", frameon=False, fontsize=7)
    return figure


def draw_limits(axes, machine):
    peak, (left, right), (bottom, _) = machine["peak_gflops"], axes.get_xlim(), axes.get_ylim()
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis)
    axes.axhline(peak, color=FAINT, linewidth=0.8, zorder=0)
    write(axes, f"multiply-adds in registers, {peak:.0f} GFLOP/s", (right, peak), (0, 3), ha="right")
    for size, bandwidth in machine["copy_gbytes_per_s"].items():
        start = max(left, bottom / bandwidth)
        axes.plot((start, peak / bandwidth), (start * bandwidth, peak), color=FAINT, linewidth=0.8, zorder=0)
        text = f"copy of {readable(int(size))}, {bandwidth:.0f} GB/s"
        slope = {
            "rotation": math.degrees(math.atan(bandwidth)),
            "rotation_mode": "anchor",
            "transform_rotates_text": True,
        }
        axes.text(1.15 * start, 1.15 * start * bandwidth, text, fontsize=6, color=INK, va="bottom", **slope)


def point(rows):
    """Intensity, rate and limit of a layer."""
    info = rows[OWN]["extra_info"]
    limit = min(info["peak_gflops"], info["flops"] / info["bytes"] * info["copy_gbytes_per_s"])
    return info["flops"] / info["bytes"], info["gflops"], limit


def readable(size):
    power = int(math.log2(size)) // 10
    return f"{size >> 10 * power} {('B', 'KiB', 'MiB', 'GiB')[power]}"


if __name__ == "__main__":
    main(sys.argv[1:])
