"""The command line: ``python -m pwconv demo``, ``bench`` and ``info``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pwconv


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, without the name of the program; by default those of the process.

    Returns
    -------
    int
        The exit code: 0 done, 1 failed with a message on stderr, 130 interrupted. Wrong usage raises
        SystemExit(2), as argparse does.
    """
    arguments = _parser().parse_args(argv)
    if arguments.command == "info":
        pwconv.show_config()
        return 0
    return _run_bench(arguments) if arguments.command == "bench" else _run_demo(arguments)


def _run_bench(arguments: argparse.Namespace) -> int:
    from pwconv import _bench, _layers

    try:
        return _bench.run(arguments.layers, arguments.threads)
    except _layers.BenchError as error:
        print(f"pwconv bench: {error}", file=sys.stderr)
        return 1
    except MemoryError:
        print("pwconv bench: not enough memory for this layer", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run_demo(arguments: argparse.Namespace) -> int:
    from pwconv import _demo

    try:
        _demo.run(arguments.image, arguments.output)
    except _demo.DemoError as error:
        print(f"pwconv demo: {error}", file=sys.stderr)
        return 1
    except MemoryError:
        print("pwconv demo: not enough memory for this picture", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pwconv", description="Pointwise (1×1) convolution on NumPy arrays."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="separate the stains of a microscope picture",
        description="Separate the stains of a microscope picture, which is a 1×1 convolution with ReLU; compare "
        "result and time with scikit-image and NumPy; write a PNG with the picture and its stains side by side.",
    )
    demo.add_argument(
        "image",
        nargs="?",
        type=Path,
        metavar="IMAGE",
        help="a colour picture in any format that imageio reads; by default scikit-image's immunohistochemistry",
    )
    demo.add_argument(
        "--output",
        type=Path,
        default=Path("pwconv-demo.png"),
        metavar="FILE",
        help="the PNG to write, or to replace (default: %(default)s)",
    )
    bench = commands.add_parser(
        "bench",
        help="time layers of known networks beside NumPy and against this machine's limit",
        description="Time layers of known networks, in float32 with bias and ReLU, beside NumPy's matmul with the same "
        "bias and ReLU, and against what this machine can do at most, in interleaved rounds.",
    )
    bench.add_argument(
        "--layers",
        nargs="+",
        default=[],
        metavar="LAYER",
        help="networks of the table (resnet50, colour, ...) or shapes: 256-64@56 for 256 to 64 channels on 56×56 pixels, "
        "or 8x256-64@56x48/2 with batch, width and stride; by default one layer of each kind",
    )
    bench.add_argument(
        "--threads", type=int, metavar="N", help="threads of pwconv and of NumPy (default: pwconv.get_num_threads())"
    )
    commands.add_parser(
        "info",
        help="print version, instruction sets, threads and compiler",
        description="Print version, instruction sets, threads and compiler.",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
