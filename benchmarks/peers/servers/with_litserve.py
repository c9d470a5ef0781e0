"""LitServe with batching, as in https://lightning.ai/docs/litserve/features/batching.

python with_litserve.py PORT
"""

import sys
from typing import Any

import litserve
import numpy as np
from classifier import CORES, MAX_BATCH, MAX_WAIT, ON_CUDA, TIMEOUT, Classifier
from fastapi import Request
from PIL import Image
from starlette.formparsers import MultiPartParser

# LitServe pickles an upload for its workers, which fails for files that Starlette keeps on disk (above 1 MB).
MultiPartParser.spool_max_size = 32 * 2**20


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.classifier = Classifier(threads=1)

    def decode_request(self, request: Request) -> np.ndarray:
        return self.classifier.pixels(Image.open(request["file"].file))

    def batch(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        return inputs

    def predict(self, inputs: list[np.ndarray]) -> list[dict[str, Any]]:
        return self.classifier.classify(inputs)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    api = Api(max_batch_size=MAX_BATCH, batch_timeout=MAX_WAIT, api_path="/classify")
    # A worker decodes and computes in one thread, so there is one per core; by default, as many processes handle HTTP.
    server = litserve.LitServer(
        api, accelerator="cuda" if ON_CUDA else "cpu", workers_per_device=CORES, timeout=TIMEOUT
    )
    server.run(port=int(sys.argv[1]), host="127.0.0.1", log_level="warning", generate_client_file=False)
