import pytest

from serve.errors import NotAcceptableError
from serve.http.negotiation import negotiate

OFFERS = ("application/json", "application/x-npy", "image/png")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("image/*", "image/png"),
        ("application/x-npy", "application/x-npy"),
        ("application/json;q=0.5, image/png", "image/png"),
        ("image/png;q=0.2, application/x-npy;q=0.7", "application/x-npy"),
        ("text/html, image/png;q=0.9, */*;q=0.1", "image/png"),
        ("application/*;q=0.5, application/x-npy;q=0.9", "application/x-npy"),
        ("*/*, application/json;q=0", "application/x-npy"),
    ],
)
def test_the_best_offer_is_chosen(accept: str, expected: str) -> None:
    assert negotiate(accept, OFFERS) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/jpeg", "image/png;q=0", "image/png;q=much", "png"])
def test_no_offer_is_an_error_that_lists_them(accept: str) -> None:
    with pytest.raises(NotAcceptableError, match="it writes application/json, application/x-npy, image/png"):
        negotiate(accept, OFFERS)
