"""A running server as a predictor, so that `zoo eval` measures what its users get."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from serve.client.calls import ClientError
from serve.client.client import Client
from zoo.images.preprocess import Pixels
from zoo.outputs import STANDARD, Array
from zoo.predictors import Prediction


@dataclass(frozen=True, slots=True)
class ServerPredictor:
    """Predictions of a server's model, from its `/classify` and `/patch-semantics`.

    The server answers with probabilities; their logarithms serve as logits, which rank the classes of an image as the
    network's do. Those of a patch come from the assignment, whose learned temperature and slack of each class may rank
    two close classes the other way round.
    """

    client: Client
    model: str
    classes: tuple[str, ...]
    weights_sha256: str
    """Digest of the weights, as the server reports it."""

    @staticmethod
    def open(url: str, model: str) -> "ServerPredictor":
        """A model of the server at `url`.

        Raises:
            ClientError: there is no zoo server at the URL, or it does not serve the model.
        """
        client = Client(url)
        try:
            served = {each.name: each for each in client.models()}
            if model not in served:
                raise ClientError(f"the server at {url} does not serve {model!r}; it serves {', '.join(served)}")
        except BaseException:
            client.close()
            raise
        return ServerPredictor(client, model, tuple(served[model].classes), served[model].weights_sha256)

    def __call__(self, pixels: Pixels) -> Prediction:
        images = [Image.fromarray(image.transpose(1, 2, 0)) for image in pixels]
        answer = self.client.classify(*images, model=self.model, top_k=len(self.classes))
        probabilities = np.empty((len(images), len(self.classes)), np.float32)
        for row, result in zip(probabilities, answer.results, strict=True):
            by_label = {each.label: each.probability for each in result.classes}
            row[:] = [by_label[label] for label in self.classes]
        shares = self.client.shares(*images, model=self.model)
        return Prediction(STANDARD, [_log(probabilities), _log(shares[:, :-1]), shares])


def _log(probabilities: Array) -> Array:
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
