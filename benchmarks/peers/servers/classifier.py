"""What every peer serves: an ONNX file of `zoo export` in ONNX Runtime, and images as Pillow decodes them.

The environment says which file (`MODEL`), how many cores there are (`CORES`), and `THREADS`. Pillow decodes at full
size, and the centred square is scaled as `zoo.images.preprocess.to_pixels` does it, so that all servers give the same
answers.
"""

import json
import os
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

CORES = int(os.environ["CORES"])
THREADS = int(os.environ.get("THREADS", 0))
"""That compute one batch, where the peer leaves it open; 0 for ONNX Runtime's default, one a core."""
MAX_BATCH = 32
"""Images computed together, the default of ours."""
MAX_WAIT = 0.002
"""Seconds that the first of them waits for others, the default of ours."""
TIMEOUT = 10
"""Seconds for an answer, the default of ours."""
TOP = 5


class Classifier:
    """A session and the names of its classes.

    Arguments:
        threads: that compute one batch.
    """

    def __init__(self, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, ["CPUExecutionProvider"])
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
        """The most probable classes of images."""
        [logits] = self.session.run(["logits"], {"image": np.stack(pixels)})
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        return [
            {"classes": [{"label": self.classes[i], "probability": float(row[i])} for i in np.argsort(-row)[:TOP]]}
            for row in probabilities
        ]
