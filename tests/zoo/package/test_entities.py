import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from support.entities import CLASSES, some_entities

from zoo.answers import patch_answers
from zoo.errors import PackageError
from zoo.package import ENTITIES_FILE, PUBLISHED_FILES, Package
from zoo.package.entities import Entities, Entity, FoundOn

MakePackage = Callable[..., Package]


@pytest.fixture
def package(make_package: MakePackage) -> Package:
    return make_package(classes=CLASSES)


def test_written_entities_are_read(package: Package) -> None:
    assert Entities.read(package) is None
    entities = some_entities(package.config.weights_sha256)
    entities.write(package)
    assert Entities.read(package) == entities
    assert ENTITIES_FILE in PUBLISHED_FILES


def test_the_nearest_is_that_of_hellinger_s_distance() -> None:
    entities = some_entities()
    shares = np.random.default_rng(0).dirichlet(np.full(4, 0.5), (6, 5)).transpose(2, 0, 1).astype(np.float32)
    roots = np.sqrt(shares.astype(np.float64))[None] - np.sqrt(entities.mixtures.astype(np.float64))[:, :, None, None]
    nearest = entities.nearest(shares)
    assert nearest.shape == (6, 5)
    assert np.array_equal(nearest, (roots**2).sum(axis=1).argmin(axis=0))
    assert len(np.unique(nearest)) == 3


def test_only_proportions_count() -> None:
    """An assignment by batch normalisation and ReLU is not a distribution."""
    shares = np.random.default_rng(0).dirichlet(np.ones(4), (8, 8)).transpose(2, 0, 1).astype(np.float32)
    assert np.array_equal(some_entities().nearest(shares), some_entities().nearest(7 * shares))


def test_answers_name_the_nearest() -> None:
    shares = np.zeros((4, 1, 2), np.float32)
    shares[:, 0, 0], shares[:, 0, 1] = (0.5, 0.4, 0, 0.1), (0.05, 0.05, 0.9, 0)
    [[first, second]] = patch_answers(shares, CLASSES, 1, some_entities())
    assert first["entity"] == {"name": "bird + airplane", "kind": "pair"}
    assert second["entity"] == {"name": "cat", "kind": "pure"}
    [[without, _]] = patch_answers(shares, CLASSES, 1)
    assert "entity" not in without
    del first["entity"]
    assert without == first


def test_entities_of_other_weights_are_refused(package: Package) -> None:
    some_entities("ab" * 32).write(package)
    with pytest.raises(
        PackageError, match=r"was made from weights with SHA-256 abab.*remove it, or find the entities again"
    ):
        Entities.read(package)


def test_entities_of_other_classes_are_refused(make_package: MakePackage) -> None:
    package = make_package(classes=("a", "b", "c"))
    some_entities(package.config.weights_sha256).write(package)
    with pytest.raises(PackageError, match=r"the classes in .* are not those of wrn16-ours\.cifar10"):
        Entities.read(package)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.pop("classes"), "classes: .*required"),
        (lambda value: value.update(more=1), "more: .*nexpected"),
        (lambda value: value["entities"][0].update(kind="wing"), "kind: .*'pure', 'pair', 'generic' or 'none'"),
        (lambda value: value["entities"][0].update(name="cat"), "with distinct names"),
        (lambda value: value["entities"][0]["mixture"].pop(), "has 3 shares, expected C \\+ 1"),
        (lambda value: value["entities"][0].update(mixture=[0.5, 0.5, 0.5, -0.5]), "is not a distribution"),
        (lambda value: value["entities"].clear(), "at least one"),
    ],
)
def test_a_damaged_file_is_refused(change: Callable[[dict[str, Any]], object], message: str, package: Package) -> None:
    some_entities(package.config.weights_sha256).write(package)
    file = package.path / ENTITIES_FILE
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))
    with pytest.raises(PackageError, match=f"is not a list of entities: .*{message}.*; remove it"):
        Entities.read(package)


def test_what_is_no_json_is_refused(package: Package) -> None:
    (package.path / ENTITIES_FILE).write_text("{")
    with pytest.raises(PackageError, match="is not a list of entities: file: Invalid JSON"):
        Entities.read(package)


def test_a_mixture_has_a_share_for_every_class() -> None:
    entity = Entity("cat", "pure", 1.0, (0.5, 0.5))
    with pytest.raises(ValueError, match="cat: its mixture has 2 shares"):
        Entities("ab" * 32, CLASSES, FoundOn("pets", 1, 64, 1, 0), (entity,))


def test_patches_as_json_name_entities(
    run_zoo: Callable[..., CompletedProcess[str]], package: Package, photo_file: Path, tmp_path: Path
) -> None:
    def ask() -> list[list[dict[str, object]]]:
        output = tmp_path / "out.json"
        assert run_zoo("patches", photo_file, "-o", output, "-m", f"local-dir:{package.path}").returncode == 0
        return json.loads(output.read_text())["results"][0]["patches"]

    before = ask()
    assert "entity" not in before[0][0]
    some_entities(package.config.weights_sha256).write(package)
    after = ask()
    names = {entity.name for entity in some_entities().entities}
    for row, described in zip(before, after, strict=True):
        for plain, patch in zip(row, described, strict=True):
            assert patch.pop("entity")["name"] in names
            assert patch == plain
