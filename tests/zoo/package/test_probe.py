import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from zoo.errors import PackageError
from zoo.package import PROBE_FILE, Package
from zoo.package.probe import INTERVENTIONS, Effect, Probe, read_probe, require_used_block, write_probe


def make_probe(package: Package, removed: float = 50.0, swapped: float = 10.0) -> Probe:
    effect = Effect(90.0, (0.0, -1.0, 1.0), (swapped, 0.0, 100.0))
    none = {"lowest": 0.0, "median": 0.1, "mean": 0.2, "highest": 1.0}
    digest = package.config.weights_sha256
    effects = dict.fromkeys(INTERVENTIONS, effect)
    return Probe("cifar10", "held-out", 5000, 0, digest, 90.0, effects, (removed, 0.0, 100.0), none, 0.5, 10.0, 0.4)


@pytest.fixture
def package(make_package: Callable[..., Package]) -> Package:
    return make_package()


def test_what_is_written_is_read(package: Package) -> None:
    probe = make_probe(package)
    write_probe(package, "torch", probe)
    assert read_probe(package) == {"torch": probe}


@pytest.mark.parametrize(("removed", "swapped", "used"), [(20, 3, True), (19.9, 50, False), (100, 2.9, False)])
def test_a_block_is_used_if_both_numbers_are_reached(
    package: Package, removed: float, swapped: float, used: bool
) -> None:
    probe = make_probe(package, removed, swapped)
    assert probe.used == used
    assert probe.verdict.startswith(f"the block is {'used' if used else 'not used'}: ")
    write_probe(package, "torch", probe)
    if used:
        require_used_block(package)
    else:
        with pytest.raises(PackageError, match="not used"):
            require_used_block(package)


def test_a_probe_of_other_weights_says_nothing(package: Package) -> None:
    write_probe(package, "torch", replace(make_probe(package), digest="of other weights"))
    assert read_probe(package) == {}
    with pytest.raises(PackageError, match="zoo probe"):
        require_used_block(package)


def test_a_network_without_block_needs_no_probe(package: Package) -> None:
    plain = replace(package, config=replace(package.config, variant="wrn16"))
    require_used_block(plain)


@pytest.mark.parametrize("text", ["{", '{"torch": {}}', "[]"])
def test_a_damaged_record(package: Package, text: str) -> None:
    (package.path / PROBE_FILE).write_text(text)
    with pytest.raises(PackageError, match=PROBE_FILE):
        read_probe(package)


def test_other_files_probes_are_kept(package: Package, tmp_path: Path) -> None:
    write_probe(package, "torch", make_probe(package))
    write_probe(package, "onnx-int8", replace(make_probe(package), digest="of a file"))
    assert json.loads((package.path / PROBE_FILE).read_text()).keys() == {"torch", "onnx-int8"}
