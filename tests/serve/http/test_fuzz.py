"""Requests that nobody wrote: made from the server's own description of itself, and damaged images."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import schemathesis
from fastapi import FastAPI
from hostile.mutants import DAMAGES, mutant
from hostile.whole import whole
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.case import Case
from support.serving import GatedPredictor, MakeClient

from serve.app import create_app
from serve.http.body import IMAGE_TYPES
from serve.inference.service import Service
from serve.settings import Settings
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.images.decode import FORMATS

EXAMPLES = 20
"""Random requests for each endpoint, beside those at the edges of what it takes."""
TURNS = 12
"""For each kind of damage of each format."""

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

images = st.sampled_from([data for name in FORMATS for data in whole(name)])
for kind in IMAGE_TYPES:
    schemathesis.openapi.media_type(kind, images)
schemathesis.openapi.format("binary", images)


@contextmanager
def application() -> Iterator[FastAPI]:
    service = Service(replace(Settings(), threads=1), [open_model(DEFAULT_MODEL)], lambda own: GatedPredictor())
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
    for index in range(TURNS * len(FORMATS) * len(DAMAGES)):
        damaged = mutant(0, index)
        response = client.post(path, content=damaged.data, headers={"Content-Type": "image/png", "Accept": accept})
        assert response.status_code in (200, 413, 415, 422), f"mutant(0, {index}), {damaged.name}: {response.text}"
        statuses[response.status_code] += 1
    # Else it would not be known whether the damage reaches the decoders.
    assert min(statuses[status] for status in (200, 413, 415, 422)) > 0
