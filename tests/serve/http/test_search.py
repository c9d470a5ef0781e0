"""`POST /search`: on a server with an index, on one without, and on one that must not start."""

import base64
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from support.images import coloured
from support.indices import write_images
from support.onnx_files import with_embedding
from support.serving import GatedPredictor, MakeClient, running, send

from serve.app import create_app
from serve.client import Client, ServerError
from serve.inference.search import open_index
from serve.inference.service import Service
from serve.settings import Settings
from zoo.errors import ImageIndexError, InputError, NoEmbeddingError
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.images.decode import decode_pixels
from zoo.package import Package
from zoo.predictors import Predictor
from zoo.predictors.onnx import OnnxPredictor

COUNT = 20


def predictor_of(package: Package) -> Predictor:
    """Not every bundled model has an ONNX file."""
    return OnnxPredictor.open(package, "cpu", threads=1) if package.precisions else GatedPredictor(package.config)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return with_embedding(open_model(DEFAULT_MODEL), tmp_path_factory.mktemp("models") / DEFAULT_MODEL)


@pytest.fixture(scope="module")
def folder(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of images of one colour each."""
    pixels = np.stack([decode_pixels(coloured(number), 32).pixels for number in range(COUNT)])
    embeddings = predictor_of(package)(pixels).embedding
    assert embeddings is not None
    labels = [number % 2 for number in range(COUNT)]
    folder = tmp_path_factory.mktemp("index") / "index"
    return write_images(folder, embeddings, package.config.weights_sha256, labels).folder


@pytest.fixture(scope="module")
def url(package: Package, folder: Path) -> Iterator[str]:
    """A server of two models, whose index is of the second."""
    settings = replace(Settings(), threads=1, index=str(folder), max_files=3)
    with running(create_app(Service(settings, [open_model("wrn16"), package], predictor_of))) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[TestClient]:
    import httpx2

    with httpx2.Client(base_url=url) as client:
        yield client


def test_an_image_is_nearest_to_itself(client: TestClient) -> None:
    answer = send(client, "/search?k=3", ("a.png", coloured(7)), ("b.png", coloured(12))).json()
    assert answer["model"]["name"] == DEFAULT_MODEL
    assert answer["timing"]["batch"] >= 2
    for result, number in zip(answer["results"], (7, 12), strict=True):
        assert result["box"] == [0, 0, 32, 32]
        first, *others = result["nearest"]
        assert (first["name"], first["label"]) == (f"photos/{number:02}.png", ("cat", "dog")[number % 2])
        assert first["cosine"] == pytest.approx(1, abs=1e-5)
        assert len(others) == 2
        assert others[0]["cosine"] >= others[1]["cosine"]
        assert "thumbnail" not in first


def test_thumbnails_come_if_they_are_wanted(client: TestClient) -> None:
    answer = send(client, "/search?k=1&thumbnails=true", ("a.png", coloured(7))).json()
    kind, data = answer["results"][0]["nearest"][0]["thumbnail"].split(",")
    assert kind == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert (image.format, image.size) == ("WEBP", (32, 32))


def test_a_threshold_and_the_default_number(client: TestClient) -> None:
    assert len(send(client, "/search", ("a.png", coloured(7))).json()["results"][0]["nearest"]) == 10
    near = send(client, "/search?k=20&threshold=0.99999", ("a.png", coloured(7))).json()["results"][0]["nearest"]
    assert near[0]["name"] == "photos/07.png"
    assert len(near) < COUNT


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("k=21", 422, "k = 21: must be from 1 to 20, the number of images in the index"),
        ("k=0", 422, "k = 0: must be from 1 to 20"),
        ("threshold=2", 422, "threshold = 2.0: must be from -1 to 1"),
        ("threshold=nan", 422, "threshold = nan: must be from -1 to 1"),
        ("model=wrn16", 422, f"model = wrn16: the index of this server is of {DEFAULT_MODEL}; omit it"),
        ("model=wrn17", 404, "unknown model 'wrn17'"),
        ("top_k=3", 422, "unknown query parameter 'top_k'"),
    ],
)
def test_what_cannot_be_searched(query: str, status: int, message: str, client: TestClient) -> None:
    answer = send(client, f"/search?{query}", ("a.png", coloured(7)))
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_models_say_how_many_images_their_index_has(client: TestClient) -> None:
    assert [model["indexed"] for model in client.get("/models").json()] == [None, COUNT]


def test_searches_are_measured(client: TestClient) -> None:
    send(client, "/search", ("a.png", coloured(7)))
    assert f'zoo_search_seconds_count{{model="{DEFAULT_MODEL}"}}' in client.get("/metrics").text


def test_a_server_without_an_index(make_client: MakeClient) -> None:
    client = make_client()
    answer = send(client, "/search", ("a.png", coloured(7)))
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "no_index"
    assert "start it with --index FOLDER" in answer.json()["error"]["message"]
    assert client.get("/models").json()[0]["indexed"] is None


def test_the_client_sends_many_images_in_parts(url: str) -> None:
    images = [coloured(number) for number in range(5)]
    with Client(url) as client:
        answer = client.search(*images, k=1, threshold=0.5, thumbnails=True)
        assert [result.nearest[0].name for result in answer.results] == [
            f"photos/{number:02}.png" for number in range(5)
        ]
        thumbnail = answer.results[0].nearest[0].thumbnail
        assert thumbnail is not None
        assert thumbnail.startswith("data:image/webp")
        with pytest.raises(ServerError, match="k = 21"):
            client.search(coloured(0), k=21)


def test_an_index_of_another_model_is_refused_at_the_start(folder: Path) -> None:
    other = open_model("rn26")
    with pytest.raises(ImageIndexError, match=rf"index = .*: it was made by {DEFAULT_MODEL} .*served are rn26.cifar10"):
        Service(replace(Settings(), index=str(folder)), [other], predictor_of)
    with pytest.raises(ImageIndexError, match="there is no index in nowhere"):
        open_index("nowhere", [other])
    with pytest.raises(InputError, match="index = ''"):
        Settings(index="")


def test_a_model_without_embeddings_is_refused_at_the_start(folder: Path) -> None:
    with pytest.raises(NoEmbeddingError, match=r"has no output embedding.*zoo export"):
        Service(replace(Settings(), index=str(folder), threads=1), [open_model(DEFAULT_MODEL)], predictor_of)
