"""Checks that a model directory can be published: users need not take anything in it on trust."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import DigestError, PublishError
from zoo.files import sha256
from zoo.hub import reference_of
from zoo.package import (
    CARD_FILE,
    MAP_FILE,
    METRICS_FILE,
    ONNX_FILES,
    PARITY_FILE,
    PUBLISHED_FILES,
    WEIGHTS_FILE,
    Package,
)
from zoo.package.card import read_card, stated_licence
from zoo.package.entities import Entities
from zoo.package.metrics import digest_field, is_own_score, is_own_training, own_metrics, read_metrics
from zoo.package.probe import read_probe
from zoo.package.timings import read_speed
from zoo.registry import DATA_SETS, info
from zoo.runtime import EXECUTIONS, Execution


def require_publishable(package: Package) -> None:
    """Check that the files and records of a model directory belong to its weights.

    The weights must match `config.json`, every ONNX file must have been verified against them, and recorded accuracy
    and training must be theirs.

    Raises:
        UnknownNameError: the variant is unknown.
        PackageError: a file is missing, not valid, or made from other weights (`DigestError`: damaged or replaced).
        PublishError: an ONNX file was not verified against these weights, or failed; a record belongs to other
        weights; or a file is a link to outside the directory.
    """
    info(package.config.variant)
    _require_own_files(package)
    package.weights()
    Entities.read(package)
    for execution in EXECUTIONS:
        is_file = EXECUTIONS[execution].file == execution
        if (is_file and package.onnx(EXECUTIONS[execution].file)) or package.verified_sha256(execution):
            _require_verified(package, execution)
    _require_own_metrics(package)


def missing(package: Package) -> Iterator[str]:
    """Optional content that is missing, each with the command that creates it."""
    model, named = shlex.quote(reference_of(package)), package.config.data
    # The name of other data is no place: it may be that of a folder elsewhere, or a label given to `zoo.save`.
    data = named if named in DATA_SETS else "IMAGES"
    if not package.precisions:
        yield f"no ONNX file, which servers need: zoo export {model}, then zoo verify {model} --data {data}"
    if not own_metrics(package).measured:
        yield f"accuracy not measured: zoo eval {model} --data {data} --record"
    if unmeasured := [precision for precision in package.precisions if precision not in read_speed(package)]:
        yield f"speed in {', '.join(unmeasured)} not measured: zoo speed {model}"
    if info(package.config.variant).has_block and "torch" not in read_probe(package):
        yield f"use of the semantic block not measured: zoo probe {model} --data {data} --record"
    if not (package.path / MAP_FILE).is_file():
        yield f"no image in the card: zoo patches PHOTO -m {model} -o {shlex.quote(str(package.path / MAP_FILE))}"
    if not stated_licence(read_card(package)):
        yield f"no licence in the card: add `license: ...` to the YAML header of {CARD_FILE}, where it is kept"


def _require_own_files(package: Package) -> None:
    """Refuse files that are links to outside the directory, except into the Hub's cache."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folders = (package.path.resolve(), Path(HF_HUB_CACHE).resolve())
    for file in (package.path / name for name in PUBLISHED_FILES):
        if file.is_file() and not any(file.resolve().is_relative_to(folder) for folder in folders):
            raise PublishError(f"{file} is a link to {file.resolve()}, outside the model directory; copy the file")


def _require_verified(package: Package, execution: Execution) -> None:
    method = EXECUTIONS[execution]
    file, verified = package.onnx(method.file), package.verified_sha256(execution)
    engine = "" if execution in ONNX_FILES else f" --engine {method.engine}"
    remedy = f"verify it: zoo verify --precision {method.precision}{engine} --data IMAGES"
    if verified is None:
        raise PublishError(f"{file} was not verified against PyTorch, as {PARITY_FILE} has no record of it; {remedy}")
    if file and verified != (digest := sha256(file)):
        raise DigestError(f"{file} has SHA-256 {digest}, but {PARITY_FILE} was written for {verified}; {remedy}")
    # Without the file, the record identifies it: the same exporter versions reproduce it.
    file = file or package.path / ONNX_FILES[method.file]
    if package.verified_against(execution) != {package.config.weights_sha256}:
        raise PublishError(
            f"{file} was verified against other weights than those in the directory; export it again, and {remedy}"
        )
    if package.verification_failed(execution):
        raise PublishError(
            f"{file} failed the parity check in {PARITY_FILE}; export it again, and {remedy}, which reports "
            "differences and tolerances"
        )


def _require_own_metrics(package: Package) -> None:
    file, metrics = package.path / METRICS_FILE, read_metrics(package)
    for split, scores in metrics.scores.items():
        for through, score in scores.items():
            if not is_own_score(package, through, score):
                how = f"--split {split} --through {'URL' if through == 'server' else through} --record"
                raise PublishError(
                    f"{file}: {split}.{through} was measured with other files than those in the directory, by its "
                    f"{digest_field(through)}; remove it, or measure again: zoo eval ... {how}"
                )
    if metrics.training and not is_own_training(package, metrics.training):
        raise PublishError(
            f"{file}: training does not belong to {WEIGHTS_FILE}, by its weights_sha256; remove it, or run zoo train "
            "again, which rewrites it"
        )
