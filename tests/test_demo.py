"""The demo: stain separation of whatever picture it is given, or a message that says why not.

Reference: `skimage.color.separate_stains` on the colours of the file; tolerance: 1e-13 in float64 and 1e-5 in
float32, for densities and stains of order 1.
"""

from __future__ import annotations

import importlib
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin
from skimage import color, data

from pwconv import __main__, _demo


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pixels():
    return data.immunohistochemistry()[:24, :36]


def demo(*arguments):
    return __main__.main(["demo", *map(str, arguments)])


def side_by_side(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_default_picture(folder, capsys):
    assert demo() == 0
    text = capsys.readouterr().out
    for words in (
        "512×512",
        "separate_stains",
        "float32",
        "np.einsum",
        "x @ W.T",
        "logarithm",
        "pwconv-demo.png",
    ):
        assert words in text
    height, width, _ = side_by_side("pwconv-demo.png").shape
    assert 3.5 < width / height < 4.5


def test_stains_have_their_colours(folder, pixels):
    """Nuclei are blue, DAB is brown, and a slide without eosin leaves its panel white."""
    tall = np.concatenate([pixels, pixels])
    Image.fromarray(tall).save("slide.png")
    assert demo("slide.png") == 0
    picture = side_by_side("pwconv-demo.png").astype(int)
    _, blue, white, brown = np.array_split(picture[picture.shape[0] // 4 : -20], 4, axis=1)
    assert np.all(blue.mean(axis=(0, 1))[2] > blue.mean(axis=(0, 1))[:2])
    assert np.all(np.diff(brown.mean(axis=(0, 1))) < 0)
    assert white.mean() > 250


def save_png(pixels, path, **options):
    Image.fromarray(pixels).save(path, **options)


def save_mode(mode):
    return lambda pixels, path: Image.fromarray(pixels).convert(mode).save(path)


def save_tiff(change=lambda pixels: pixels, **options):
    return lambda pixels, path: tifffile.imwrite(path, change(pixels), photometric="rgb", **options)


def save_turned(pixels, path):
    picture = Image.fromarray(np.rot90(pixels))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(path, exif=exif)


def save_animation(pixels, path):
    first, second = Image.fromarray(pixels), Image.fromarray(pixels[::-1].copy())
    first.save(path, save_all=True, append_images=[second], lossless=True)


def save_deep_png(pixels, path):
    """A PNG of 16 bits a channel, which Pillow reads and does not write."""
    height, width, _ = pixels.shape
    rows = (pixels.astype(">u2") * 257).reshape(height, -1)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">2I5B", width, height, 16, 2, 0, 0, 0))
        PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
        PngImagePlugin.putchunk(file, b"IEND")


@pytest.mark.parametrize(
    "name, save, note",
    (
        ("plain.png", save_png, "uint8"),
        ("palette.png", save_mode("P"), "uint8"),
        ("opaque.png", save_mode("RGBA"), "uint8"),
        ("palette.tif", save_mode("P"), "uint8"),
        ("cmyk.tif", save_mode("CMYK"), "uint8"),
        ("turned.png", save_turned, "uint8"),
        ("deep.png", save_deep_png, "16 bits"),
        ("animated.webp", save_animation, "the first of 2"),
        ("deep.tif", save_tiff(lambda p: p.astype(np.uint16) * 257), "uint16"),
        ("real.tif", save_tiff(lambda p: p / 255.0), "float64"),
        ("pages.tif", save_tiff(lambda p: np.stack([p, p[::-1]])), "the first of 2"),
        ("planes.tif", save_tiff(lambda p: np.moveaxis(p, -1, 0), planarconfig="separate"), "uint8"),
    ),
)
def test_formats(folder, pixels, name, save, note):
    save(pixels, name)
    picture = _demo.read_picture(folder / name)
    expected = pixels / 255
    if name.startswith("palette"):
        expected = np.asarray(Image.open(name).convert("RGB")) / 255
    np.testing.assert_allclose(picture.rgb, expected, rtol=0, atol=1e-12)
    assert note in " ".join(picture.notes)


def test_transparency_is_laid_on_white(folder, pixels):
    alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    alpha[:8] = 0
    Image.fromarray(np.concatenate([pixels, alpha], axis=-1)).save("clear.png")
    picture = _demo.read_picture(folder / "clear.png")
    assert np.all(picture.rgb[:8] == 1)
    np.testing.assert_allclose(picture.rgb[8:], pixels[8:] / 255, rtol=0, atol=1e-12)
    assert "transparency" in " ".join(picture.notes)


def test_a_large_picture_is_cut_to_its_middle(folder, pixels, monkeypatch):
    monkeypatch.setattr(_demo, "MAX_SIDE", 10)
    Image.fromarray(pixels).save("large.png")
    picture = _demo.read_picture(folder / "large.png")
    assert np.array_equal(picture.rgb, pixels[7:17, 13:23] / 255)
    assert "the middle of 36×24" in picture.notes


@pytest.mark.parametrize(
    "name, save, words",
    (
        ("grey.png", save_mode("L"), "grey"),
        ("grey.tif", save_mode("I;16"), "grey"),
        ("counts.tif", save_tiff(lambda p: p.astype(np.float32)), "from 0 (black) to 1 (white)"),
        ("signed.tif", save_tiff(lambda p: p.astype(np.int16)), "int16"),
        ("nan.tif", save_tiff(lambda p: np.where(p > 99, np.nan, 0.5)), "from 0 (black) to 1 (white)"),
        ("stack.tif", lambda p, path: tifffile.imwrite(path, p[:, :, :2]), "expected colour"),
        ("text.png", lambda p, path: Path(path).write_text("not a picture"), "cannot read"),
    ),
)
def test_what_cannot_be_used_is_named(folder, pixels, name, save, words, capsys):
    save(pixels, name)
    assert demo(name) == 1
    message = capsys.readouterr().err
    assert name in message and words in message
    assert not (folder / "pwconv-demo.png").exists()


@pytest.mark.parametrize(
    "arguments, words",
    (
        (("nothing.png",), "no such file"),
        ((".",), "not a file"),
        (("--output", "picture.jpg"), ".png"),
        (("--output", "nowhere/picture.png"), "no folder"),
        (("slide.png", "--output", "slide.png"), "the picture itself"),
        (("slide.png", "--output", "folder.png"), "cannot write"),
    ),
)
def test_wrong_arguments(folder, pixels, arguments, words, capsys):
    Image.fromarray(pixels).save("slide.png")
    (folder / "folder.png").mkdir()
    assert demo(*arguments) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("shape", ((1, 1), (1, 40), (40, 1), (3, 2)))
def test_odd_shapes(folder, pixels, shape):
    Image.fromarray(np.resize(pixels, (*shape, 3))).save("odd.png")
    assert demo("odd.png") == 0
    assert min(side_by_side("pwconv-demo.png").shape[:2]) > 100


@pytest.mark.parametrize("value", (0, 255))
def test_black_and_white_pictures(folder, value, capsys):
    Image.new("RGB", (8, 8), (value,) * 3).save("flat.png")
    assert demo("flat.png") == 0
    assert "nan" not in capsys.readouterr().out


def test_density_is_that_of_separate_stains(pixels):
    rgb = pixels / 255
    stains = np.maximum(_demo.optical_density(rgb) @ color.hed_from_rgb, 0)
    np.testing.assert_array_equal(stains, color.separate_stains(rgb, color.hed_from_rgb))
    assert _demo.optical_density(rgb.astype("float32")).dtype == np.float32


def test_a_wrong_result_is_a_failure(folder, pixels, monkeypatch, capsys):
    Image.fromarray(pixels).save("slide.png")
    mixer = _demo._mixer
    monkeypatch.setattr(_demo, "_mixer", lambda *options: lambda x: mixer(*options)(x) + 1e-3)
    assert demo("slide.png") == 1
    assert "rounding" in capsys.readouterr().err


@pytest.mark.parametrize("module", ("skimage.color", "matplotlib", "imageio.v3"))
def test_a_missing_extra_is_named(folder, pixels, module, monkeypatch, capsys):
    Image.fromarray(pixels).save("slide.png")
    root = module.partition(".")[0]

    def import_module(name):
        if name.partition(".")[0] == root:
            raise ModuleNotFoundError(f"No module named {root!r}", name=root)
        return importlib.import_module(name)

    monkeypatch.setattr(_demo, "import_module", import_module)
    assert demo("slide.png") == 1
    message = capsys.readouterr().err
    assert root in message and 'pip install "pwconv[demo]"' in message


@pytest.mark.parametrize("error, code", ((MemoryError, 1), (KeyboardInterrupt, 130)))
def test_exit_codes(error, code, monkeypatch):
    def run(image, output):
        raise error

    monkeypatch.setattr(_demo, "run", run)
    assert demo() == code


def test_a_slow_run_shows_its_progress(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    _, rounds = _demo._time({"nothing": lambda: np.zeros(1)}, budget=0)
    assert rounds == 5
    assert "timing [##...]" in capsys.readouterr().err


def test_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        __main__.main([])
    assert stop.value.code == 2
    assert "demo" in capsys.readouterr().err


def test_info(capsys):
    assert __main__.main(["info"]) == 0
    assert "OpenMP" in capsys.readouterr().out
