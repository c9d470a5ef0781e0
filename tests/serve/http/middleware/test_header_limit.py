import pytest
from support.small_app import small_client

LIMIT = 2000


@pytest.mark.parametrize(
    ("path", "headers", "status", "message"),
    [
        ("/healthz", {"X-Long": "x" * 1000}, 200, ""),
        ("/healthz?" + "x" * 1900, {}, 200, ""),
        ("/healthz?" + "x" * 2000, {}, 414, "URL of 2008 characters is above the limit of 2000"),
        ("/" + "x" * 2000, {}, 414, "URL of 2001 characters"),
        ("/healthz", {"X-Long": "x" * 2000}, 431, "are above the limit of 100 headers or 2000 bytes"),
        ("/healthz", {f"X-{index}": "" for index in range(100)}, 431, "headers of "),
    ],
)
def test_the_head_has_its_limits(path: str, headers: dict[str, str], status: int, message: str) -> None:
    answer = small_client(max_head_bytes=LIMIT).get(path, headers=headers)
    assert answer.status_code == status
    if message:
        assert message in answer.json()["error"]["message"]
        assert answer.headers["connection"] == "close"
