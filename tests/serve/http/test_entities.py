import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from support.entities import some_entities
from support.serving import GatedPredictor, send

from serve.app import create_app
from serve.http.examples import PATCH_SEMANTICS
from serve.inference.models import ServedModel
from serve.inference.service import Service
from serve.schemas import PatchSemanticsAnswer
from serve.settings import Settings
from zoo.errors import PackageError
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.package import CONFIG_FILE, ENTITIES_FILE, METRICS_FILE, Package


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A model directory without entities; what computes it is the test's."""
    for name in (CONFIG_FILE, METRICS_FILE):
        shutil.copy(open_model(DEFAULT_MODEL).path / name, tmp_path)
    return Package.open(tmp_path)


@pytest.fixture
def ask(package: Package, photo_file: Path) -> Iterator[Any]:
    """Ask a server of the model for the patches of a photograph."""
    clients = []

    def ask() -> Any:
        client = TestClient(create_app(Service(Settings(), [package], lambda own: GatedPredictor(own.config))))
        clients.append(client.__enter__())
        response = send(client, "/patch-semantics", photo_file)
        assert response.status_code == 200
        return response

    yield ask
    for client in clients:
        client.__exit__(None, None, None)


def test_each_patch_has_the_nearest_entity(package: Package, ask: Any) -> None:
    some_entities(package.config.weights_sha256, package.config.classes).write(package)
    answer = PatchSemanticsAnswer.model_validate_json(ask().content)
    named = [patch.entity for row in answer.results[0].patches for patch in row]
    # The predictor gives every class, and none, the same share.
    assert [(entity.name, entity.kind) for entity in named if entity] == [("none", "none")] * 4


def test_without_entities_answers_have_no_such_field(package: Package, ask: Any) -> None:
    response = ask()
    for row in response.json()["results"][0]["patches"]:
        for patch in row:
            assert set(patch) == {"label", "probability", "none", "top"}
    answer = PatchSemanticsAnswer.model_validate_json(response.content)
    assert answer.results[0].patches[0][0].entity is None


def test_a_server_with_stale_entities_does_not_start(package: Package) -> None:
    some_entities("ab" * 32, package.config.classes).write(package)
    with pytest.raises(PackageError, match=rf"{ENTITIES_FILE} was made from weights with SHA-256 abab"):
        ServedModel(package)


def test_the_documentation_shows_one() -> None:
    entity = PATCH_SEMANTICS.results[0].patches[0][0].entity
    assert entity is not None
    assert entity.name == "cat + dog"
