"""Requests that nobody wrote: made from the server's own description of itself, damaged images, damaged HTTP.

    pytest --hypothesis-profile thorough tests/serve/http/test_fuzz.py

makes twenty times as many.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import httpx2
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.case import Case
from support.damaged_images import damaged_images, whole_images
from support.damaged_requests import Sent, damaged_requests, outcome
from support.serving import GatedPredictor, MakeClient
from support.small_app import small_server

from serve.app import create_app
from serve.inference.service import Service
from serve.settings import Settings
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.images.formats import MEDIA_TYPES
from zoo.images.preprocess import Pixels
from zoo.outputs import EMBEDDING
from zoo.predictors import Prediction

pytestmark = pytest.mark.slow

EXAMPLES = 20
"""Random requests for each endpoint, beside those at the edges of what it takes."""
REFUSALS = {413, 415, 422}
"""Statuses that are meant for images."""
AT_ONCE = 16
"""Connections with a damaged request each."""

CONFIG = {
    "seed": 0,
    # What the description promises is checked all the same, 500 among what it does not.
    "checks": {
        "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", 503, 504]},
        # Too many files.
        "negative_data_rejection": {"expected-statuses": ["4xx", 503, 504]},
    },
    # Which tensors are right is more than a schema can say.
    "operations": [{"include-path-regex": "/infer$", "checks": {"positive_data_acceptance": {"enabled": False}}}],
}

for kind in MEDIA_TYPES:
    schemathesis.openapi.media_type(kind, whole_images)
schemathesis.openapi.format("binary", whole_images)


class EmbeddingPredictor(GatedPredictor):
    """A predictor that embeds, as the description of `/embed` promises."""

    def __call__(self, pixels: Pixels) -> Prediction:
        prediction = super().__call__(pixels)
        return Prediction([*prediction.outputs, EMBEDDING], [*prediction.values(), prediction.logits[:, :4]])


@contextmanager
def application() -> Iterator[FastAPI]:
    service = Service(replace(Settings(), threads=1), [open_model(DEFAULT_MODEL)], lambda own: EmbeddingPredictor())
    yield create_app(service)
    service.close()


with application() as app:
    schema = schemathesis.openapi.from_dict(app.openapi(), config=SchemathesisConfig.from_dict(CONFIG))


@pytest.fixture
def app() -> Iterator[FastAPI]:
    with application() as app:
        yield app


@schema.parametrize()
@settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_server_does_what_its_description_says(case: Case, app: FastAPI) -> None:
    case.call_and_validate(app=app)


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize(("path", "accept"), [("/classify", "application/json"), ("/patch-semantics", "image/png")])
def test_damaged_images_are_answered_or_refused(
    make_client: MakeClient, predictor: GatedPredictor, path: str, accept: str
) -> None:
    client = make_client(predictor)
    statuses = Counter[int]()

    @settings(max_examples=6 * settings.default.max_examples, derandomize=True)
    @given(damaged_images())
    def answered_or_refused(data: bytes) -> None:
        response = client.post(path, content=data, headers={"Content-Type": "image/png", "Accept": accept})
        assert response.status_code in REFUSALS | {200}, response.text
        statuses[response.status_code] += 1

    answered_or_refused()
    # Else it would not be known whether the damage reaches the decoders.
    assert statuses.keys() == REFUSALS | {200}


def test_damaged_requests_get_no_more_answers_than_they_carry_requests() -> None:
    statuses = set[int]()
    with application() as app, small_server(app=app) as port, ThreadPoolExecutor(AT_ONCE) as pool:
        # What is wrong is shown by the outcome alone; making it smaller would wait for silence, again and again.
        @settings(max_examples=settings.default.max_examples // 4, derandomize=True, phases=[Phase.generate])
        @given(st.lists(damaged_requests(), min_size=AT_ONCE, max_size=AT_ONCE))
        def answered_as_requested(sent: list[Sent]) -> None:
            outcomes = list(pool.map(partial(outcome, port), sent))
            assert not [one for one in outcomes if one.wrong]
            statuses.update(status for one in outcomes for status in one.statuses)

        answered_as_requested()
        assert httpx2.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    assert statuses >= {200, 400, 404, 405, 415, 422}
