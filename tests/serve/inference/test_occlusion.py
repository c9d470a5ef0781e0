"""Occlusion maps of the server: their values, and what they cost."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient
from support.serving import GatedPredictor, MakeClient, encoded, send

import zoo
from explain.attributions import occlusion
from serve.inference.occlusion import MAX_SIDE, cover
from zoo.images.preprocess import Pixels
from zoo.outputs import STANDARD
from zoo.predictors import Prediction


def test_each_part_is_covered_once_with_the_mean_colour() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 21, 21), dtype=np.uint8)
    copies = cover(pixels, 8, 4, range(32))
    changed = (copies != pixels).any(axis=1)
    assert (changed.sum(axis=0) <= 1).all()
    assert (changed.any(axis=0) | (pixels == copies[0]).all(axis=0)).mean() > 0.99  # a pixel may have the mean colour
    assert {tuple(copies[part][:, *place]) for part in range(32) for place in np.argwhere(changed[part])} == {
        tuple(pixels.mean(axis=(1, 2)).round().astype(np.uint8))
    }
    np.testing.assert_array_equal(cover(pixels, 8, 4, range(5, 7)), copies[5:7])


def test_it_is_the_occlusion_of_zoo_explain(client: TestClient, photo_file: Path) -> None:
    network = zoo.load("wrn16-ours", pretrained=True)
    assert network.config
    classes = network.config.classes
    for query, label in (({}, "cat"), ({"label": "dog"}, "dog")):
        [found] = send(client, "/occlusion", photo_file, params=query).raise_for_status().json()["results"]
        assert (found["label"], found["grid"]) == (label, {"rows": 8, "columns": 8})
        expected = occlusion(network, network.pixels(photo_file), torch.tensor([classes.index(label)]))[0]
        np.testing.assert_allclose(found["drops"], expected, atol=0.05)  # the mean colour is rounded here


@dataclass
class FineGrid(GatedPredictor):
    """The mean of all pixels as the only logit that is not 0, and a grid of 20 x 6 patches."""

    def __call__(self, pixels: Pixels) -> Prediction:
        logits, patch_logits, assignment = super().__call__(pixels).values()
        finer = np.repeat(np.repeat(patch_logits, 10, axis=2), 3, axis=3)
        return Prediction(STANDARD, [logits, finer, np.repeat(np.repeat(assignment, 10, axis=2), 3, axis=3)])


def test_the_cost_is_bounded(make_client: MakeClient, photo: bytes) -> None:
    predictor = FineGrid()
    client = make_client(predictor, max_batch=20)
    response = send(client, "/occlusion", ("cat.jpg", photo)).raise_for_status().json()
    assert response["results"][0]["grid"] == {"rows": MAX_SIDE, "columns": 6}
    assert predictor.batches == [1, 20, 20, 8]
    assert response["timing"]["batch"] == 20


def test_images_in_flight_are_counted(make_client: MakeClient, photo: bytes) -> None:
    client = make_client(GatedPredictor(), max_files=8, max_queue=8)
    assert send(client, "/occlusion", ("cat.jpg", photo)).status_code == 200
    service = client.app_state["service"]
    with service.enter() as others:
        others.add(items=1)
        assert send(client, "/occlusion", ("cat.jpg", photo)).status_code == 429
        assert send(client, "/classify", ("cat.jpg", photo)).status_code == 200
    assert service.admission.items.total == 0


@pytest.mark.parametrize(
    ("files", "query", "status", "said"),
    [
        (1, {"label": "dgo"}, 404, "unknown class 'dgo'; did you mean dog"),
        (1, {"top_k": 3}, 422, "unknown query parameter 'top_k'"),
        (2, {}, 413, "more files than the limit of 1"),
    ],
)
def test_what_is_refused(
    client: TestClient, photo: bytes, files: int, query: dict[str, object], status: int, said: str
) -> None:
    response = send(client, "/occlusion", *[("cat.jpg", photo)] * files, params=query)
    assert response.status_code == status
    assert said in response.json()["error"]["message"]


def test_a_grey_image_has_no_drops(make_client: MakeClient) -> None:
    client = make_client(GatedPredictor())
    grey = encoded(Image.new("RGB", (40, 40), (9, 9, 9)))
    [found] = client.post("/occlusion", content=grey).json()["results"]
    assert found["drops"] == [[0.0, 0.0], [0.0, 0.0]]
