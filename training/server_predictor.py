"""A running server as a predictor, so that `zoo eval` can measure what its users get."""

import io
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from zoo.errors import ZooError
from zoo.images.preprocess import Pixels
from zoo.outputs import STANDARD, Array
from zoo.predictors import Prediction, predict_in_parts

FILES = 25
"""Images per request."""


class ServerPredictorError(ZooError):
    """A server that does not respond, or responds with an error."""


@dataclass(frozen=True, slots=True)
class ServerPredictor:
    """Predictor that sends pixels as PNG files to a server's `/classify` and `/patch-semantics`.

    The server responds with probabilities; their logarithms serve as logits, which rank the classes of an image like
    the network's. Those of a patch come from the assignment, whose learned temperature and slack per class may swap two
    close classes.
    """

    client: httpx2.Client
    model: str
    classes: tuple[str, ...]
    weights_sha256: str
    """Digest of the weights reported by the server."""

    @staticmethod
    def open(url: str, model: str) -> "ServerPredictor":
        """Open a model of the server at `url`.

        Raises:
            ServerPredictorError: the server does not respond, or does not serve the model.
        """
        client = httpx2.Client(base_url=url, timeout=60)
        try:
            served = {entry["name"]: entry for entry in _request(client, "GET", "/models").json()}
            if model not in served:
                raise ServerPredictorError(
                    f"the server at {url} does not serve {model!r}; it serves {', '.join(served)}"
                )
            entry = served[model]
            return ServerPredictor(client, model, tuple(entry["classes"]), str(entry["weights_sha256"]))
        except BaseException as error:
            client.close()
            if isinstance(error, ValueError | TypeError | KeyError):
                raise ServerPredictorError(
                    f"the server at {url} is not a zoo server: {error!r}; check the URL"
                ) from None
            raise

    def __call__(self, pixels: Pixels) -> Prediction:
        return predict_in_parts(self._ask, pixels, FILES)

    def _ask(self, pixels: Pixels) -> Prediction:
        files = [("file", (f"{index}.png", _png(image), "image/png")) for index, image in enumerate(pixels)]
        everything = {"model": self.model, "top_k": len(self.classes)}
        answer = _request(self.client, "POST", "/classify", files=files, params=everything)
        logits = np.array([self._log_probabilities(result["classes"]) for result in answer.json()["results"]])
        array = _request(
            self.client,
            "POST",
            "/patch-semantics",
            files=files,
            params={"model": self.model},
            headers={"Accept": "application/x-npy"},
        )
        shares = np.load(io.BytesIO(array.content), allow_pickle=False)
        return Prediction(STANDARD, [logits, _log(shares[:, :-1]), shares])

    def _log_probabilities(self, classes: list[dict[str, Any]]) -> Array:
        probability = {entry["label"]: entry["probability"] for entry in classes}
        return _log(np.array([probability[label] for label in self.classes], dtype=np.float32))


def _log(probabilities: Array) -> Array:
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _request(client: httpx2.Client, method: str, path: str, **arguments: Any) -> httpx2.Response:
    try:
        response = client.request(method, path, **arguments)
    except httpx2.HTTPError as error:
        raise ServerPredictorError(f"no answer from {client.base_url}: {error}; is the server running?") from None
    if response.is_error:
        raise ServerPredictorError(
            f"{client.base_url}{path.lstrip('/')} responded with {response.status_code}: {response.text}"
        )
    return response
