"""BentoML with batching, as in https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html.

bentoml serve with_bentoml:Server --port PORT
"""

from typing import Any

import bentoml
from classifier import CORES, MAX_BATCH, TIMEOUT, Classifier
from PIL.Image import Image


# A worker decodes and computes in one thread, so there is one per core.
@bentoml.service(workers=CORES, traffic={"timeout": TIMEOUT}, logging={"access": {"enabled": False}})
class Server:
    def __init__(self) -> None:
        self.classifier = Classifier(threads=1)

    @bentoml.api(route="/classify", batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=1000 * TIMEOUT)
    def classify(self, file: list[Image]) -> list[dict[str, Any]]:
        return self.classifier.classify([self.classifier.pixels(image) for image in file])
