"""The one table of layers: every shape of 1×1 convolution in some networks, and in work on pictures and spectra.

A layer is written as `Layer.parse` reads it: [batch x] c_in-c_out @ height [x width] [/ stride], without spaces.
"""

from __future__ import annotations

from pwconv import _bench
from pwconv._layers import Layer

NETWORKS = {
    # He et al., CVPR 2016; the strided reductions are those of the paper, the others also those of later versions.
    "resnet50": "64-64@56 64-256@56 256-64@56 256-128@56 256-128@56/2 256-512@56/2 128-512@28 512-128@28 512-256@28 "
    "512-256@28/2 512-1024@28/2 256-1024@14 1024-256@14 1024-512@14 1024-512@14/2 1024-2048@14/2 512-2048@7 2048-512@7 "
    "8x256-64@56 8x1024-2048@14/2",
    # Szegedy et al., CVPR 2015, inceptions 3a to 5b.
    "googlenet": "192-64@28 192-96@28 192-16@28 192-32@28 256-128@28 256-32@28 256-64@28 480-192@14 480-96@14 480-16@14 "
    "480-64@14 512-160@14 512-112@14 512-24@14 512-64@14 512-128@14 512-144@14 512-32@14 528-256@14 528-160@14 "
    "528-32@14 528-128@14 832-256@7 832-160@7 832-32@7 832-128@7 832-384@7 832-192@7 832-48@7",
    # Howard et al., 2017.
    "mobilenet_v1": "32-64@112 64-128@56 128-128@56 128-256@28 256-256@28 256-512@14 512-512@14 512-1024@7 1024-1024@7 "
    "8x512-512@14",
    # Sandler et al., CVPR 2018.
    "mobilenet_v2": "32-16@112 16-96@112 96-24@56 24-144@56 144-24@56 144-32@28 32-192@28 192-32@28 192-64@14 64-384@14 "
    "384-64@14 384-96@14 96-576@14 576-96@14 576-160@7 160-960@7 960-160@7 960-320@7 320-1280@7 8x960-160@7",
    # Iandola et al., 2016, version 1.1.
    "squeezenet1.1": "64-16@55 16-64@55 128-16@55 128-32@27 32-128@27 256-32@27 256-48@13 48-192@13 384-48@13 384-64@13 "
    "64-256@13 512-64@13 512-1000@13 8x16-64@55",
    # Lin, Chen and Yan, ICLR 2014, the version for ImageNet.
    "nin": "96-96@54 256-256@27 384-384@13 1024-1024@6 1024-1000@6",
    # A colour matrix or stain separation, and a luminance, of a Kodak picture.
    "colour": "3-3@512x768 3-1@512x768",
    # Spectral bands to classes or materials: Indian Pines, Pavia University.
    "hyperspectral": "200-16@145 103-9@610x340",
    # Little enough that the call is most of it.
    "small": "32-32@6 8x32-32@6",
}
LAYERS = tuple(Layer.parse(text, network) for network, texts in NETWORKS.items() for text in texts.split())
# One of each kind: what `python -m pwconv bench` runs.
DOZEN = tuple(layer for layer in LAYERS if layer in _bench.choose([]))
