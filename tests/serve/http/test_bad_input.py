"""Bad and unusual input of every kind, sent to a real application."""

import gzip
import struct
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from support.serving import CONFIG, GatedPredictor, MakeClient, encoded, send
from support.transparent import TRANSPARENT

from serve.inference.service import Service
from zoo.hub import DEFAULT_MODEL
from zoo.images.preprocess import Pixels
from zoo.predictors import Prediction

BOTH = pytest.mark.parametrize("path", ["/classify", "/patch-semantics"])


def problem(response: object) -> str:
    error = response.json()["error"]  # type: ignore[attr-defined]
    assert set(error) == {"code", "message"}
    return str(error["message"])


def photo(photo_file: Path, size: tuple[int, int] = (96, 64)) -> Image.Image:
    return Image.open(photo_file).convert("RGB").resize(size)


@BOTH
def test_no_body(client: TestClient, path: str) -> None:
    response = client.post(path)
    assert response.status_code == 422
    assert "the request has no image" in problem(response)


@BOTH
def test_a_form_without_a_file(client: TestClient, path: str) -> None:
    response = client.post(path, files={"image": ("a.png", b"x")})
    assert response.status_code == 422
    assert "unknown form field 'image'; available: file" in problem(response)
    assert response.json()["error"]["code"] == "unknown_parameter"


def test_a_form_whose_file_is_text(client: TestClient) -> None:
    response = client.post("/classify", files={"file": (None, b"photo.jpg")})
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "bad_upload"


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("multipart/form-data", b"--x", "its content type has no boundary"),
        (
            "multipart/form-data; boundary=x",
            b"nonsense",
            "it does not start with the boundary 'x'",
        ),
        ("multipart/form-data; boundary=x", b"--x\r\nhalf", "it is truncated in part 1"),
    ],
)
def test_a_broken_form(client: TestClient, content_type: str, body: bytes, message: str) -> None:
    response = client.post("/classify", content=body, headers={"Content-Type": content_type})
    assert response.status_code == 422
    assert message in problem(response)


@BOTH
def test_an_empty_file(client: TestClient, path: str) -> None:
    response = send(client, path, ("empty.jpg", b""))
    assert response.status_code == 422
    assert "empty.jpg: the file is empty" in problem(response)


def test_an_empty_raw_body(client: TestClient) -> None:
    response = client.post("/classify", content=b"", headers={"Content-Type": "image/png"})
    assert response.status_code == 422
    assert "body is empty" in problem(response)


@BOTH
def test_text_called_png(client: TestClient, path: str) -> None:
    response = send(client, path, ("notes.png", b"these are words"))
    assert response.status_code == 415
    assert "notes.png" in problem(response)
    assert "JPEG, PNG, WEBP, GIF" in problem(response)


def test_a_truncated_jpeg(client: TestClient, photo_file: Path) -> None:
    data = photo_file.read_bytes()
    response = send(client, "/classify", ("half.jpg", data[: len(data) // 2]))
    assert response.status_code == 422
    assert "half.jpg: the image is truncated or damaged" in problem(response)


def test_a_image_of_one_pixel(client: TestClient) -> None:
    answer = send(client, "/patch-semantics", ("dot.png", encoded(Image.new("RGB", (1, 1), "red")))).json()
    assert answer["results"][0]["box"] == [0, 0, 1, 1]


@pytest.mark.parametrize("mode", ["I;16", "CMYK", "L", "1", "LA", "P", "RGBA"])
def test_unusual_modes(client: TestClient, photo_file: Path, mode: str) -> None:
    image = photo(photo_file)
    if mode == "I;16":
        grey = np.asarray(image.convert("L")).astype(np.uint16) << 8
        image = Image.fromarray(grey)
    else:
        image = image.convert(mode)
    response = send(client, "/classify", ("odd", encoded(image, "JPEG" if mode == "CMYK" else "PNG")))
    assert response.status_code == 200
    assert response.json()["results"][0]["image"] == {"width": 96, "height": 64}


def test_a_palette_with_transparency(client: TestClient, photo_file: Path) -> None:
    image = photo(photo_file).quantize(16)
    assert send(client, "/classify", ("p.gif", encoded(image, "PNG", transparency=3))).status_code == 200


def test_transparency_lies_over_white_in_every_mode_and_depth(make_client: MakeClient) -> None:
    seen: list[Pixels] = []

    class Watching(GatedPredictor):
        def __call__(self, pixels: Pixels) -> Prediction:
            seen.append(pixels.copy())
            return super().__call__(pixels)

    files = [(kind, file.data) for kind, file in TRANSPARENT.items()]
    assert send(make_client(Watching()), "/classify", *files).status_code == 200
    expected = np.stack([file.pixels for file in TRANSPARENT.values()])
    np.testing.assert_array_equal(np.concatenate(seen), expected)


def test_an_animation_counts_as_its_first_frame(client: TestClient, photo_file: Path) -> None:
    first, second = photo(photo_file).quantize(64), Image.new("RGB", (96, 64), "blue").quantize(64)
    animated = encoded(first, "GIF", save_all=True, append_images=[second])
    still = encoded(first, "GIF")
    answers = [send(client, "/classify", ("a.gif", data)).json()["results"][0]["classes"] for data in (animated, still)]
    assert answers[0] == answers[1]


def test_exif_orientation_is_applied(client: TestClient, photo_file: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = photo(photo_file).transpose(Image.Transpose.ROTATE_90)
    data = encoded(lying, "JPEG", exif=exif, quality=95)
    [result] = send(client, "/classify", ("phone.jpg", data)).json()["results"]
    assert result["image"] == {"width": 96, "height": 64}
    assert result["classes"][0]["label"] == "cat"


def test_a_body_announced_above_the_limit(make_client: MakeClient, photo_file: Path) -> None:
    client = make_client(max_body_bytes=1000)
    response = send(client, "/classify", photo_file)
    assert response.status_code == 413
    assert "above the limit of 1000" in problem(response)


@pytest.mark.parametrize("content_type", ["image/jpeg", "multipart/form-data; boundary=edge"])
def test_a_body_above_the_limit_is_stopped_while_it_streams(make_client: MakeClient, content_type: str) -> None:
    client = make_client(max_body_bytes=10_000)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        for _ in range(100):
            sent += 1000
            yield bytes(1000)

    response = client.post("/classify", content=endless(), headers={"Content-Type": content_type})
    assert response.status_code == 413
    assert "above the limit of 10000 bytes" in problem(response)
    assert response.headers["connection"] == "close"


def huge_png(width: int, height: int) -> bytes:
    """A small file whose header announces a large image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_a_header_above_the_pixel_limit(client: TestClient, side: int) -> None:
    response = send(client, "/classify", ("bomb.png", huge_png(side, side)))
    assert response.status_code == 413
    assert "bomb.png" in problem(response)
    assert "limit of 50000000" in problem(response)


def test_a_form_that_is_cut_off(make_client: MakeClient, predictor: GatedPredictor, photo_file: Path) -> None:
    client = make_client(predictor)
    whole = send(client, "/classify", photo_file, ("second.jpg", photo_file.read_bytes())).request
    body = whole.read()
    closing = body.rindex(b"--")  # behind the last boundary
    assert predictor.batches == [2]
    for end in (closing, closing + 1, len(body) - 1000):
        response = client.post("/classify", content=body[:end], headers={"Content-Type": whole.headers["content-type"]})
        assert response.status_code == 422
        assert "it is truncated in part 2 ('second.jpg')" in problem(response)
    assert predictor.batches == [2]


@BOTH
@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip"])
def test_an_unsupported_content_coding(client: TestClient, photo_file: Path, path: str, coding: str) -> None:
    response = send(client, path, photo_file, headers={"Content-Encoding": coding})
    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "gzip, deflate, identity"
    assert f"Content-Encoding: {coding} is not supported; send gzip, deflate or an uncompressed" in problem(response)


def test_a_decompression_bomb(make_client: MakeClient) -> None:
    client = make_client(max_body_bytes=100_000)
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    response = client.post("/classify", content=bomb, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 413
    assert "above the limit of 100000 bytes" in problem(response)
    assert response.headers["connection"] == "close"


def test_compressed_bytes_count_for_the_queue(make_client: MakeClient, predictor: GatedPredictor) -> None:
    client = make_client(predictor, max_body_bytes=100_000, max_queue_bytes=100_000)
    with client.app_state["service"].admission.enter() as reservation:
        reservation.add(bytes_=50_000)
        body = gzip.compress(bytes(60_000))
        response = client.post("/classify", content=body, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 429


def test_a_body_without_its_coding(client: TestClient, photo_file: Path) -> None:
    for data, message in (
        (photo_file.read_bytes(), "not valid gzip"),
        (gzip.compress(photo_file.read_bytes())[:-9], "one complete gzip stream"),
    ):
        response = client.post("/classify", content=data, headers={"Content-Encoding": "gzip"})
        assert response.status_code == 422
        assert message in problem(response)


@BOTH
@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("topk=2", "unknown query parameter 'topk'; did you mean top_k?"),
        ("top_k=2&Model=x", "unknown query parameter 'Model'; did you mean model?"),
        ("verbose", "unknown query parameter 'verbose'; available: model, top_k"),
        ("top_k=2&top_k=3", "top_k is repeated, as '2' and '3'; send it once"),
    ],
)
def test_query_parameters_that_there_are_not(
    client: TestClient, photo_file: Path, path: str, query: str, hint: str
) -> None:
    response = send(client, f"{path}?{query}", photo_file)
    assert response.status_code == 422
    assert problem(response) == hint


@pytest.mark.parametrize("path", ["/models", "/metrics", "/v2", f"/v2/models/{DEFAULT_MODEL}"])
def test_endpoints_without_query_parameters(client: TestClient, path: str) -> None:
    response = client.get(path, params={"full": 1})
    assert response.status_code == 422
    assert "unknown query parameter 'full'; available: none" in response.text


@pytest.mark.parametrize("path", ["/", "/page/style.css", "/docs", "/healthz", "/readyz", "/v2/health/ready"])
def test_probes_and_pages_take_what_defeats_caches(client: TestClient, path: str) -> None:
    assert client.get(path, params={"_": 1}).status_code == 200


def test_a_body_that_curl_d_has_stripped(client: TestClient, photo_file: Path) -> None:
    data = photo_file.read_bytes()
    for byte in b"\0\r\n":
        data = data.replace(bytes([byte]), b"")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = client.post("/classify", content=data, headers=headers)
    assert response.status_code == 422
    assert "use curl --data-binary" in problem(response)


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "image/jp2", "image/svg+xml", "multipart/mixed; boundary=x"]
)
def test_an_unsupported_type(client: TestClient, content_type: str) -> None:
    response = client.post("/classify", content=b"data", headers={"Content-Type": content_type})
    assert response.status_code == 415
    assert repr(content_type.partition(";")[0]) in problem(response)


def test_an_image_in_another_format_is_not_decoded(client: TestClient, photo_file: Path) -> None:
    assert send(client, "/classify", ("a.ppm", encoded(photo(photo_file), "PPM"))).status_code == 415


def test_a_heic_image_without_the_extra(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    response = send(client, "/classify", ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"))
    assert response.status_code == 415
    assert "template-zoo[heic]" in problem(response)


@BOTH
@pytest.mark.parametrize("top_k", [0, -1, len(CONFIG.classes) + 1, 10**30])
def test_top_k_out_of_range(client: TestClient, photo_file: Path, path: str, top_k: int) -> None:
    response = send(client, path, photo_file, params={"top_k": top_k})
    assert response.status_code == 422
    assert f"top_k = {top_k}: must be between 1 and 10" in problem(response)


def test_top_k_that_is_no_number(client: TestClient, photo_file: Path) -> None:
    response = send(client, "/classify", photo_file, params={"top_k": "all"})
    assert response.status_code == 422
    assert "top_k = 'all'" in problem(response)


@BOTH
def test_an_unknown_model(client: TestClient, photo_file: Path, path: str) -> None:
    response = send(client, path, photo_file, params={"model": DEFAULT_MODEL[:-1]})
    assert response.status_code == 404
    assert f"did you mean {DEFAULT_MODEL}?" in problem(response)


def test_an_accept_header_that_cannot_be_served(client: TestClient, photo_file: Path) -> None:
    response = send(client, "/patch-semantics", photo_file, headers={"Accept": "text/html"})
    assert response.status_code == 406


def test_an_unknown_path_and_a_wrong_method(client: TestClient) -> None:
    assert "unknown path /clasify" in problem(client.post("/clasify"))
    for method, path, allowed in (
        ("GET", "/classify", "POST"),
        ("HEAD", "/classify", "POST"),
        ("POST", "/models", "GET, HEAD"),
        ("DELETE", "/healthz", "GET, HEAD"),
        ("POST", "/page/style.css", "GET, HEAD"),
    ):
        response = client.request(method, path)
        assert (response.status_code, response.headers["allow"]) == (405, allowed)
        if method != "HEAD":
            assert problem(response) == f"{path} does not allow {method}; use {allowed}"


def test_one_bad_file_among_several_is_named_and_nothing_is_computed(
    make_client: MakeClient, predictor: GatedPredictor, photo_file: Path
) -> None:
    client = make_client(predictor)
    response = send(client, "/classify", photo_file, ("broken.jpg", photo_file.read_bytes()[:200]), photo_file)
    assert response.status_code == 422
    assert problem(response).startswith("broken.jpg: ")
    assert predictor.batches == []


def test_too_many_files(make_client: MakeClient, photo_file: Path) -> None:
    client = make_client(max_files=2)
    assert send(client, "/classify", *[photo_file] * 2).status_code == 200
    for count in (3, 4, 9):
        response = send(client, "/classify", *[photo_file] * count)
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "too_many_files"
        assert "the limit of 2" in problem(response)


def test_a_full_queue(make_client: MakeClient, predictor: GatedPredictor, photo_file: Path) -> None:
    client = make_client(predictor, max_queue=2, max_files=2, max_wait_ms=0)
    predictor.gate.clear()
    running = threading.Thread(target=send, args=(client, "/classify", photo_file))
    running.start()
    assert predictor.entered.wait(10)
    waiting = threading.Thread(target=send, args=(client, "/classify", photo_file))
    waiting.start()
    service: Service = client.app_state["service"]
    [model] = service.models.values()
    assert model.loaded
    while model.loaded.batcher.depth < 1:
        time.sleep(0.005)
    response = send(client, "/classify", photo_file, photo_file)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "1"
    assert "(limit 2)" in problem(response)
    predictor.gate.set()
    running.join(10)
    waiting.join(10)


def test_one_bad_image_does_not_leave_the_others_to_be_decoded(make_client: MakeClient, photo_file: Path) -> None:
    client = make_client(decode_threads=1, max_files=9)
    large = ("large.jpg", encoded(photo(photo_file, (4000, 3000)), "JPEG"))
    assert send(client, "/classify", ("bad.jpg", b"bad"), *[large] * 8).status_code == 415
    started = time.monotonic()
    assert send(client, "/classify", photo_file).status_code == 200
    alone = time.monotonic()
    assert send(client, "/classify", *[large] * 4).status_code == 200
    assert alone - started < time.monotonic() - alone


def test_a_deadline_passed(make_client: MakeClient, predictor: GatedPredictor, photo_file: Path) -> None:
    client = make_client(predictor, deadline_ms=200, max_wait_ms=0)
    predictor.gate.clear()
    response = send(client, "/classify", photo_file)
    assert response.status_code == 504
    assert "deadline of 200 ms" in problem(response)
    response = send(client, "/classify", photo_file, headers={"X-Request-Timeout-Ms": "0.4"})
    assert "deadline of 1 ms" in problem(response)
    predictor.gate.set()
    assert send(client, "/classify", photo_file).status_code == 200


def test_shutting_down(make_client: MakeClient, photo_file: Path) -> None:
    client = make_client()
    client.app_state["service"].draining = True
    response = send(client, "/classify", photo_file)
    assert response.status_code == 503
    assert "shutting down" in problem(response)
    assert response.headers["connection"] == "close"
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_a_failing_predictor_shows_nothing_of_itself(
    make_client: MakeClient, predictor: GatedPredictor, photo_file: Path
) -> None:
    client = make_client(predictor)
    predictor.error = RuntimeError("/secret/path")
    response = send(client, "/classify", photo_file)
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal"
    assert "secret" not in problem(response)
    predictor.error = None
    assert send(client, "/classify", photo_file).status_code == 200
