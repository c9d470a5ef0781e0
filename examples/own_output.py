"""Give a network an output of its own, export it to ONNX and check the file against PyTorch.

The network answers with one number more for each patch: the norm of its features. Once it is declared, everything
follows: the ONNX file, the check, the server's JSON, the Open Inference metadata and the views of the server's page.

To run it:

    pip install 'template-zoo[export]'
    python examples/own_output.py models/wrn16-norm.cifar10 tests/data
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

import zoo
from export.images import read_folder_pixels
from export.onnx_file import export_onnx
from export.verify import verify
from zoo.networks import resnet
from zoo.networks.network import Activations, Network
from zoo.outputs import Output
from zoo.package import ONNX_FILES
from zoo.predictors.onnx import OnnxPredictor

NORM = Output("feature_norm", "scalar map", "Norm of the features")


class NormNetwork(Network):
    @property
    def outputs(self) -> tuple[Output, ...]:
        return (*super().outputs, NORM)

    def compute_outputs(self, activations: Activations) -> dict[str, Tensor]:
        features = activations.before  # [N, d, h, w], what enters the semantic block
        return super().compute_outputs(activations) | {NORM.name: features.square().sum(dim=1).sqrt()}


def build(*arguments: Any) -> Network:
    network = resnet.build_wide(*arguments)
    network.__class__ = NormNetwork  # the same layers and weights
    return network


def main(folder: str, images: str) -> None:
    zoo.register(replace(zoo.info("wrn16-ours"), name="wrn16-norm", builder=f"{__name__}:build"))
    trained, network = zoo.load("wrn16-ours"), zoo.create("wrn16-norm")
    network.load_state_dict(trained.state_dict())
    package = zoo.save(network, folder, classes=trained.config.classes, data="cifar10")

    export_onnx(package, package.path / ONNX_FILES["fp32"])
    pixels = read_folder_pixels(Path(images), package.config.input_size, limit=100)
    parity = verify(package, pixels)
    print(f"{NORM.name}: ONNX and PyTorch differ by at most {parity.max_abs_error[NORM.name]:.1e}")
    print(f"{NORM.name}: {OnnxPredictor.open(package)(pixels)[NORM.name].shape}")


if __name__ == "__main__":
    main(*sys.argv[1:])
