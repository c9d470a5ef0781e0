"""Classifier of every peer: an ONNX file of `zoo export` in ONNX Runtime, with images decoded by Pillow.

Environment variables set the file (`MODEL`), the device (`DEVICE`: cpu or cuda) and the numbers of cores (`CORES`) and
threads (`THREADS`). Pillow decodes at full size, and the centred square is scaled as in
`zoo.images.preprocess.to_pixels`, so that all servers return the same answers.
"""

import json
import os
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

ON_CUDA = os.environ["DEVICE"] == "cuda"
CORES = int(os.environ["CORES"])
THREADS = int(os.environ.get("THREADS", 0))
"""Threads per batch, if the peer does not set them; 0 for ONNX Runtime's default of one per core."""
MAX_BATCH = 256 if ON_CUDA else 32
"""Maximum batch size, our server's default."""
MAX_WAIT = 0.002
"""Seconds that the first image of a batch waits for others, our server's default."""
TIMEOUT = 10
"""Request timeout in seconds, our server's default."""
TOP = 5


class Classifier:
    """Session with the names of its classes.

    Arguments:
        threads: number of threads per batch.
    """

    def __init__(self, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        provider = "CUDAExecutionProvider" if ON_CUDA else "CPUExecutionProvider"
        if ON_CUDA:
            onnxruntime.preload_dlls()
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, [provider])
        if self.session.get_providers()[0] != provider:
            raise RuntimeError(f"ONNX Runtime does not use {provider}")
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.classes = json.loads(metadata["classes"])
        self.size = json.loads(metadata["input_size"])

    def pixels(self, image: Image.Image) -> np.ndarray:
        """An image as [3, size, size], uint8."""
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
        square = image.convert("RGB").resize((self.size, self.size), Image.Resampling.BICUBIC, box)
        return np.asarray(square).transpose(2, 0, 1)

    def classify(self, pixels: list[np.ndarray]) -> list[dict[str, Any]]:
        """Most probable classes of images."""
        [logits] = self.session.run(["logits"], {"image": np.stack(pixels)})
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        return [
            {"classes": [{"label": self.classes[i], "probability": float(row[i])} for i in np.argsort(-row)[:TOP]]}
            for row in probabilities
        ]
