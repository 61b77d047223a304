"""Pointwise (1×1) convolution on NumPy arrays, on the CPU, at the speed of the machine."""

from . import weights
from ._api import Conv1x1, conv1x1
from ._config import __version__, show_config
from ._threads import get_num_threads, set_num_threads
from .cost import Cost, cost

__all__ = [
    "Conv1x1",
    "Cost",
    "__version__",
    "conv1x1",
    "cost",
    "get_num_threads",
    "set_num_threads",
    "show_config",
    "weights",
]
