"""Stain separation of a microscope picture, which is exactly a 1×1 convolution.

A stain absorbs light by the law of Beer and Lambert: the logarithm of the transmitted light is a weighted sum
of the amounts of the stains. So the optical density of a pixel, times the inverse of the colours of the stains,
is the amount of each stain: three channels mixed with one 3×3 matrix at every pixel, and a ReLU, because an
amount is not negative.

A. C. Ruifrok and D. A. Johnston, Quantification of histochemical staining by color deconvolution, Analytical
and Quantitative Cytology and Histology 23 (4), 291-299, 2001.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pwconv

STAINS = ("Hematoxylin", "Eosin", "DAB")
# The largest difference to be put down to rounding. Density and stains are of order 1; single precision
# rounds the colours, their logarithms and the sums to 6e-8.
TOLERANCE = {"float64": 1e-13, "float32": 1e-5}
# Above this a picture is cut. The check needs some 150 bytes a pixel, in double precision.
MAX_SIDE = 4096
BASE = "pwconv.Conv1x1, 1 thread"
GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")

Image = NDArray[Any]
Way = Callable[[], Image]


class DemoError(Exception):
    """What stopped the demo, in words for its user."""


@dataclass(frozen=True)
class Picture:
    """A colour picture: `rgb` of shape (H, W, 3) in float64, 0 black and 1 white, and what was done to it."""

    rgb: Image
    name: str
    notes: tuple[str, ...]


def run(image: Path | None, output: Path) -> None:
    """Separate the stains of a picture, compare result and time, and write them side by side.

    Parameters
    ----------
    image : Path or None
        A colour picture; None for scikit-image's own ``immunohistochemistry``.
    output : Path
        The PNG to write.

    Raises
    ------
    DemoError
        If an extra is missing, the picture cannot be used, the result differs from scikit-image's by more than
        rounding, or `output` cannot be written.
    """
    color = _extra("skimage.color")
    _extra("matplotlib")
    _check_output(image, output)
    picture = read_picture(image) if image else _default_picture()
    height, width, _ = picture.rgb.shape
    print(f"Stain separation with pwconv {pwconv.__version__}")
    print(f"  picture   {picture.name}, {width}×{height} pixels")
    for note in picture.notes:
        print(f"            {note}")
    print("  density   log(max(rgb, 1e-6)) / log(1e-6), of each channel")
    print("  stains    relu(hed_from_rgb.T × density): a 1×1 convolution, 3 to 3 channels, layout NHWC")

    stains = _compare(picture.rgb, color)
    _race(picture.rgb, color)
    titles = _titles(stains)
    _draw(picture.rgb, stains, titles, output, color)
    print(f"\nWrote {output}: the picture, {', '.join(titles)}")


def optical_density(rgb: Image) -> Image:
    """Return how much light each pixel absorbs, as `skimage.color.separate_stains` defines it.

    Parameters
    ----------
    rgb : ndarray of float32 or float64, shape (..., 3)
        0 is black and 1 is white.

    Returns
    -------
    ndarray, the shape and dtype of `rgb`
        0 for white, 1 for 1e-6 and below.
    """
    density: Image = np.log(np.maximum(rgb, 1e-6)) / float(np.log(1e-6))
    return density


def read_picture(path: Path) -> Picture:
    """Read a colour picture with imageio.

    Transparency is laid on white, the colour of an empty slide; of several frames or pages the first is taken.

    Parameters
    ----------
    path : Path
        A picture in any format that imageio reads, of unsigned integers or of floats from 0 to 1.

    Raises
    ------
    DemoError
        If there is no such file, if imageio cannot read it, or if it is not a colour picture.
    """
    if not path.is_file():
        raise DemoError(f"{path}: no such file" if not path.exists() else f"{path} is not a file")
    iio = _extra("imageio.v3")
    try:
        pixels, notes = _read(iio, path)
    except (DemoError, MemoryError):
        raise
    except Exception as error:  # each of imageio's plugins fails in its own way
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DemoError(f"{path}: imageio cannot read it: {reason}") from error

    while pixels.ndim > 3:
        if len(pixels) > 1:
            notes.append(f"the first of {len(pixels)} pages")
        pixels = pixels[0]
    if pixels.ndim != 3 or pixels.shape[-1] not in (3, 4):
        raise DemoError(f"{path}: expected colour, shape (H, W, 3); it has shape {pixels.shape}")
    colours = pixels[..., :3]
    notes.insert(0, f"{pixels.dtype}, values from {colours.min():g} to {colours.max():g}")
    rgb = _flatten(_unit(_crop(pixels, notes), path), notes)
    return Picture(rgb, str(path), tuple(notes))


def _read(iio: ModuleType, path: Path) -> tuple[Image, list[str]]:
    """The pixels as stored, channels last, and notes on what reading left out."""
    notes = []
    with iio.imopen(path, "r") as file:
        about = file.metadata(index=0)
        count = file.properties(index=...).n_images or 1
        if about.get("PhotometricInterpretation") in (3, 5):  # palette, CMYK: tifffile leaves them undecoded
            with iio.imopen(path, "r", plugin="pillow") as by_pillow:
                pixels = by_pillow.read(index=0, mode="RGBA")
        elif "mode" not in about:
            pixels = file.read(index=0)
            if about.get("planar_configuration") == 2 and pixels.ndim > 2:
                pixels = np.moveaxis(pixels, -3, -1)
        elif about["mode"] in GREY_MODES:
            raise DemoError(f"{path} is grey, and stains are told apart by their colour")
        else:
            pixels = file.read(index=0, mode="RGBA", rotate=True)
    if pixels.ndim == 2:
        raise DemoError(f"{path} is grey, and stains are told apart by their colour")
    if count > 1:
        notes.append(f"the first of {count} frames")
    if _is_png_of_16_bits(path):
        notes.append("16 bits a channel in the file, of which Pillow reads 8")
    return np.asarray(pixels), notes


def _is_png_of_16_bits(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(25)
    return head.startswith(b"\x89PNG\r\n\x1a\n") and head[-1] == 16


def _unit(pixels: Image, path: Path) -> Image:
    """The pixels in float64, the largest value of an integer type becoming 1."""
    if pixels.dtype.kind == "u":
        return pixels / float(np.iinfo(pixels.dtype).max)
    if pixels.dtype.kind == "f" and np.all((pixels >= 0) & (pixels <= 1)):
        return pixels.astype(np.float64)
    low, high = pixels.min(), pixels.max()
    raise DemoError(
        f"{path}: expected unsigned integers, or floats from 0 (black) to 1 (white); "
        f"it is {pixels.dtype} from {low:g} to {high:g}"
    )


def _flatten(pixels: Image, notes: list[str]) -> Image:
    """The colours with transparency laid on white."""
    rgb, alpha = pixels[..., :3], pixels[..., 3:]
    if np.all(alpha == 1):
        return rgb
    notes.append("transparency laid on white")
    flat: Image = rgb * alpha + (1 - alpha)
    return flat


def _crop(pixels: Image, notes: list[str]) -> Image:
    """The middle of a large picture."""
    height, width, _ = pixels.shape
    if max(height, width) <= MAX_SIDE:
        return pixels
    notes.append(f"the middle of {width}×{height}")
    top, left = (max(0, size - MAX_SIDE) // 2 for size in (height, width))
    return pixels[top : top + MAX_SIDE, left : left + MAX_SIDE]


def _default_picture() -> Picture:
    # scikit-image carries this picture in its wheel, so nothing is downloaded.
    pixels = _extra("skimage.data").immunohistochemistry()
    return Picture(pixels / 255.0, "skimage.data.immunohistochemistry()", ())


def _compare(rgb: Image, color: ModuleType) -> Image:
    """Print the differences from scikit-image and return the stains in float32."""
    expected = color.separate_stains(rgb, color.hed_from_rgb)
    print(f"\nLargest difference from skimage.color.separate_stains, whose values reach {expected.max():.2f}")
    for dtype, limit in TOLERANCE.items():
        stains: Image = _mixer(color, dtype)(optical_density(rgb.astype(dtype)))
        worst = float(np.abs(stains - expected).max())
        print(f"  {dtype}   {worst:.1e}")
        if not worst <= limit:
            raise DemoError(f"the difference in {dtype} is {worst:.1e}; rounding explains {limit:.0e}")
    return stains


def _mixer(color: ModuleType, dtype: str) -> pwconv.Conv1x1:
    return pwconv.Conv1x1(color.hed_from_rgb.T.astype(dtype), layout="NHWC", activation="relu")


def _race(rgb: Image, color: ModuleType) -> None:
    """Print the time of the mixing beside that of other ways, in float64 and in float32."""
    columns, rounds = zip(*(_time(_ways(rgb.astype(dtype), color)) for dtype in TOLERANCE), strict=True)
    print(f"\nTime of the mixing, median of at least {min(rounds)} interleaved rounds, × that of the first line")
    print(" " * 40 + (" " * 9).join(f"{dtype:>12}" for dtype in TOLERANCE))
    for name in columns[0]:
        cells = (f"{way[name] * 1e3:9.3f} ms{way[name] / way[BASE]:7.1f} ×" for way in columns)
        print(f"  {name:<38}{''.join(cells)}")
    print("  * the whole of it: the logarithm is included, and the mixing is always in float64")


def _ways(rgb: Image, color: ModuleType) -> dict[str, Way]:
    x = optical_density(rgb)
    mix = _mixer(color, x.dtype.name)
    weight = color.hed_from_rgb.T.astype(x.dtype)
    threads = pwconv.get_num_threads()
    by_threads = {} if threads == 1 else {f"pwconv.Conv1x1, {threads} threads": lambda: mix(x)}
    return {
        BASE: lambda: mix(x, num_threads=1),
        **by_threads,
        "skimage.color.separate_stains *": lambda: color.separate_stains(rgb, color.hed_from_rgb),
        "np.einsum('hwk,ok->hwo', x, W), ReLU": lambda: _relu(np.einsum("hwk,ok->hwo", x, weight)),
        "x @ W.T, ReLU": lambda: _relu(x @ weight.T),
    }


def _relu(y: Image) -> Image:
    np.maximum(y, 0, out=y)
    return y


def _time(ways: dict[str, Way], budget: float = 2.0) -> tuple[dict[str, float], int]:
    """Median seconds of each way, run in turn for `budget` seconds but 5 to 101 times, and the number of rounds."""
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    begin = time.perf_counter()
    rounds = 0
    while rounds < 5 or (rounds < 101 and time.perf_counter() - begin < budget):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
        rounds += 1
        _show_progress(rounds, 5, time.perf_counter() - begin > budget)
    return {name: statistics.median(values) for name, values in seconds.items()}, rounds


def _show_progress(done: int, total: int, slow: bool) -> None:
    """A line on the terminal, if the work is slow and there is one."""
    if not (slow and done <= total and sys.stderr.isatty()):
        return
    bar = f"\r  timing [{'#' * done}{'.' * (total - done)}]"
    print("\r\033[K" if done == total else bar, end="", file=sys.stderr, flush=True)


def _draw(rgb: Image, stains: Image, titles: list[str], output: Path, color: ModuleType) -> None:
    """Write the picture and each stain, in its own colour on white, side by side."""
    step = -(-max(rgb.shape[:2]) // 1024)
    small = stains[::step, ::step]
    panels = {"Original": rgb[::step, ::step]}
    for index, name in enumerate(titles):
        alone = np.zeros_like(small)
        alone[..., index] = small[..., index]
        panels[name] = color.combine_stains(alone, color.rgb_from_hed)
    figure = _figure(panels)
    try:
        figure.savefig(output, format="png")
    except OSError as error:
        raise DemoError(f"cannot write {output}: {error.strerror or error}") from error


def _titles(stains: Image) -> list[str]:
    """The name of each stain and its part in the sum of all amounts, 0 for each in a white picture."""
    amounts = stains.sum(axis=(0, 1), dtype=np.float64)
    parts = amounts / (amounts.sum() or 1)
    return [f"{name} ({part:.0%} of the stain)" for name, part in zip(STAINS, parts, strict=True)]


def _figure(panels: dict[str, Image]) -> Any:
    """A matplotlib figure of the panels in a row; in a column if they are much wider than high."""
    height, width, _ = panels["Original"].shape
    scale = 512 / max(height, width)
    # All in pixels of the figure; the least width is that of a title.
    width, height = max(352, round(width * scale)), max(16, round(height * scale))
    margin, title, dpi = 16, 40, 128
    across = len(panels) if width <= 2 * height else 1
    down = len(panels) // across
    full_width = across * (width + margin) + margin
    full_height = down * (height + title) + margin

    figure = _extra("matplotlib.figure").Figure(figsize=(full_width / dpi, full_height / dpi), dpi=dpi)
    for index, (name, panel) in enumerate(panels.items()):
        row, column = divmod(index, across)
        left, top = margin + column * (width + margin), title + row * (height + title)
        box = left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height
        axes = figure.add_axes(box, xticks=[], yticks=[])
        axes.spines[:].set(color="0.8", linewidth=0.5)
        axes.set_title(name, fontsize=12, pad=4)
        axes.imshow(np.clip(panel, 0, 1))
    return figure


def _check_output(image: Path | None, output: Path) -> None:
    if output.suffix.lower() != ".png":
        raise DemoError(f"--output is {output}; expected a name that ends in .png")
    if not output.parent.is_dir():
        raise DemoError(f"--output is {output}; there is no folder {output.parent}")
    if image and image.exists() and output.exists() and output.samefile(image):
        raise DemoError(f"--output is {output}, which is the picture itself")


def _extra(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise DemoError(f'{error.name} is missing; the demo needs: pip install "pwconv[demo]"') from error
