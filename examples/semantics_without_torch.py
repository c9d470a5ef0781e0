"""Compare images by what their patches look like, with ONNX Runtime and without PyTorch.

Prints the strongest class of each patch, and for every pair of images how alike their mixtures of classes are.

To run it:

    pip install 'template-zoo[onnx]'
    python examples/semantics_without_torch.py tests/data/cat.jpg tests/data/bird.png
"""

import sys
from itertools import combinations

import numpy as np

from zoo.hub import open_model
from zoo.images.decode import read_pixels
from zoo.predictors.onnx import OnnxPredictor


def main(*files: str) -> None:
    predictor = OnnxPredictor.open(open_model("wrn16-ours"))
    config = predictor.config
    pixels = np.stack([read_pixels(file, config.input_size).pixels for file in files])
    shares = predictor(pixels).assignment  # [N, C + 1, h, w], `none` last; sums to 1 over the classes

    for file, patches in zip(files, shares[:, :-1].argmax(axis=1), strict=True):
        print(file)
        for row in patches:
            print("  ", " ".join(f"{config.classes[index][:5]:5}" for index in row))

    # An embedding of each image [C + 1]: the mean share of each class over its patches.
    embeddings = shares.mean(axis=(2, 3))
    for (file, one), (other_file, other) in combinations(zip(files, embeddings, strict=True), 2):
        likeness = np.sqrt(one * other).sum()  # Bhattacharyya's coefficient: 1 for equal mixtures, 0 for disjoint ones
        print(f"{file} and {other_file}: {likeness:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
