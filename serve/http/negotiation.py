"""Which of an endpoint's formats a client wants, by its `Accept` header (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence

from serve.errors import NotAcceptableError


def negotiate(accept: str, offers: Sequence[str]) -> str:
    """The offer that the header likes best; the first offer if it names none or anything.

    Raises:
        NotAcceptableError: it names only other formats.
    """
    if not accept.strip():
        return offers[0]
    ranges = [_parse(item) for item in accept.split(",")]
    best, best_quality = offers[0], 0.0
    for offer in offers:
        # The most specific range that matches decides on an offer.
        matching = [(len(media.rstrip("*")), quality) for media, quality in ranges if _matches(media, offer)]
        quality = max(matching)[1] if matching else 0.0
        if quality > best_quality:
            best, best_quality = offer, quality
    if best_quality == 0:
        raise NotAcceptableError(f"Accept: {accept} names no format of this endpoint; it writes {', '.join(offers)}")
    return best


def _parse(item: str) -> tuple[str, float]:
    media, *parameters = (part.strip() for part in item.lower().split(";"))
    quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return media, float(quality)
    except ValueError:
        return media, 0.0


def _matches(media: str, offer: str) -> bool:
    return media in (offer, "*/*") or (media.endswith("/*") and offer.startswith(media[:-1]))
