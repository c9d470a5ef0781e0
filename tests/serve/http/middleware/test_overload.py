from starlette.testclient import TestClient
from support.small_app import small_app

from serve.inference.admission import Admission
from serve.shared import Shared


def test_nothing_comes_in_while_there_is_no_room() -> None:
    admission = Admission(1, 100, Shared.create())
    client = TestClient(small_app(admission=admission, cors_origin=("https://example.org",)))
    origin = {"Origin": "https://example.org"}
    with admission.enter() as reservation:
        assert client.post("/count", content=b"abc").json() == 3
        reservation.add(items=1)
        response = client.post("/count", content=b"abc", headers=origin)
        assert response.status_code == 429
        assert response.headers["retry-after"] == "1"
        assert response.headers["access-control-allow-origin"] == origin["Origin"]
        assert response.json()["error"]["code"] == "queue_full"
        assert client.get("/healthz").status_code == 200
    assert client.post("/count", content=b"abc").json() == 3
