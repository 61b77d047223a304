"""The command line: ``python -m pwconv demo`` and ``python -m pwconv info``."""

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
    commands.add_parser(
        "info",
        help="print version, instruction sets, threads and compiler",
        description="Print version, instruction sets, threads and compiler.",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
