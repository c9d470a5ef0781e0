"""Processes with one core, which decode and compute small requests on the event loop."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from support.serving import GatedPredictor, MakeClient, encoded, send

from serve.inference import decoding
from serve.inference.decoding import SMALL_BYTES, Upload, decode_small
from zoo.errors import UnsupportedImageError


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.inference.service.cores", lambda: 1)


@pytest.fixture
def decoded_by(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the threads that decoded images, in order."""
    threads: list[str] = []
    decode_pixels = decoding.decode_pixels

    def noted(data: bytes, size: int, max_pixels: int) -> object:
        square = decode_pixels(data, size, max_pixels)
        threads.append(threading.current_thread().name)
        return square

    monkeypatch.setattr(decoding, "decode_pixels", noted)
    return threads


def on_pool(threads: list[str]) -> list[bool]:
    return [name.startswith("decode") for name in threads]


@pytest.mark.usefixtures("one_core")
def test_small_images_are_decoded_on_the_loop(make_client: MakeClient, photo_file: Path, decoded_by: list[str]) -> None:
    client = make_client()
    [result] = send(client, "/classify", photo_file).json()["results"]
    assert result["classes"][0]["label"] == "cat"
    assert on_pool(decoded_by) == [False]
    large = ("large.png", encoded(Image.new("RGB", (300, 300))))
    assert send(client, "/classify", large).status_code == 200
    assert send(client, "/classify", photo_file, photo_file).status_code == 200
    assert send(client, "/patch-semantics", photo_file, headers={"Accept": "image/png"}).status_code == 200
    assert on_pool(decoded_by) == [False, True, True, True, True]


def test_several_cores_decode_in_threads(make_client: MakeClient, photo_file: Path, decoded_by: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serve.inference.service.cores", lambda: 2)
        client = make_client()
    assert send(client, "/classify", photo_file).status_code == 200
    assert on_pool(decoded_by) == [True]


def test_answers_and_errors_are_those_of_several_cores(make_client: MakeClient, photo: bytes) -> None:
    files = [
        ("cat.jpg", photo),
        ("half.jpg", photo[: len(photo) // 2]),
        ("text.txt", b"text"),
        ("empty.jpg", b""),
        ("large.png", encoded(Image.new("RGB", (500, 201)))),
        ("over.png", encoded(Image.new("RGB", (500, 300)))),
        ("small.gif", encoded(Image.new("P", (20, 30)), "GIF")),
    ]

    def answers(cores: int) -> list[object]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("serve.inference.service.cores", lambda: cores)
            client = make_client(max_pixels=451 * 300)
        all_answers = [send(client, "/classify", file) for file in files]
        return [(answer.status_code, answer.json().get("results", answer.json())) for answer in all_answers]

    several, one = answers(2), answers(1)
    assert one == several
    assert [status for status, _ in one] == [200, 422, 415, 422, 200, 413, 200]


@pytest.mark.usefixtures("one_core")
def test_requests_of_one_loop_share_a_batch(make_client: MakeClient, predictor: GatedPredictor) -> None:
    client = make_client(predictor, max_batch=8, max_wait_ms=0)
    image = ("grey.png", encoded(Image.new("RGB", (32, 32), (9, 9, 9))))
    predictor.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(send, client, "/classify", image)]
        assert predictor.entered.wait(10)
        answers += [pool.submit(send, client, "/classify", image) for _ in range(3)]
        [model] = client.app_state["service"].models.values()
        while model.loaded.batcher.depth < 3:
            pass
        predictor.gate.set()
        assert [answer.result().json()["timing"]["batch"] for answer in answers] == [1, 3, 3, 3]


@pytest.mark.usefixtures("one_core")
def test_metrics_count_what_the_loop_computes(make_client: MakeClient, photo_file: Path) -> None:
    client = make_client()
    for _ in range(3):
        send(client, "/classify", photo_file)
    text = client.get("/metrics").text
    [decoded] = [line for line in text.splitlines() if line.startswith("zoo_decode_seconds_count")]
    [batches] = [line for line in text.splitlines() if line.startswith("zoo_batch_images_count")]
    assert (decoded.split()[-1], batches.split()[-1]) == ("3.0", "3.0")


@pytest.mark.parametrize(
    ("image", "small"),
    [
        (encoded(Image.new("RGB", (1024, 1024)), "JPEG"), True),
        (encoded(Image.new("RGB", (1024, 1025)), "JPEG"), False),
        (encoded(Image.new("RGB", (256, 256))), True),
        (encoded(Image.new("RGB", (256, 257))), False),
    ],
)
def test_the_header_tells_what_is_small(image: bytes, small: bool) -> None:
    assert (decode_small(Upload("a", image), 32, 10**8) is not None) == small


def test_what_is_not_small_is_not_decoded(decoded_by: list[str]) -> None:
    padded = encoded(Image.new("RGB", (8, 8)), "JPEG") + bytes(SMALL_BYTES)
    assert decode_small(Upload("a.jpg", padded), 32, 10**8) is None
    assert decode_small(Upload("a.jpg", padded[:1000]), 32, 63) is None
    assert decoded_by == []
    with pytest.raises(UnsupportedImageError, match=r"^a\.txt: the file is not an image"):
        decode_small(Upload("a.txt", b"text"), 32, 10**8)
