"""Whether a model directory is fit to be published: nothing that others would have to take on trust."""

from collections.abc import Iterator
from pathlib import Path

from zoo.errors import DigestError, PublishError
from zoo.files import sha256
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
from zoo.registry import info
from zoo.runtime import Precision


def require_publishable(package: Package) -> None:
    """Check that the weights are those of `config.json`, that every ONNX file was compared with them, and that what is
    said of them, accuracy and training, was measured of them.

    Raises:
        UnknownNameError: the zoo has no such variant.
        PackageError: a file is missing, not valid, or made from other weights (`DigestError`: damaged or replaced).
        PublishError: an ONNX file was not compared, or not with these weights, or is too far from them; a
            record is of other weights; or a file is a link to elsewhere.
    """
    info(package.config.variant)
    _require_own_files(package)
    package.weights()
    Entities.read(package)
    for precision in ONNX_FILES:
        if package.onnx(precision) or package.verified_sha256(precision):
            _require_verified(package, precision)
    _require_own_metrics(package)


def missing(package: Package) -> Iterator[str]:
    """What others would miss, each with the command that makes it."""
    name = package.config.name
    if not package.precisions:
        yield "it has no ONNX file, which servers need: zoo export, then zoo verify"
    if not own_metrics(package).measured:
        yield f"its accuracy was not measured: zoo eval ... --data {package.config.data} --record"
    if package.precisions and len(read_speed(package)) < len(package.precisions):
        yield "its speed was not measured: zoo speed"
    if info(package.config.variant).has_block and "torch" not in read_probe(package):
        yield "whether it uses its semantic block was not measured: zoo probe ... --record"
    if not (package.path / MAP_FILE).is_file():
        yield f"its card has no image: zoo patches PHOTO -m local-dir:{name} -o {name}/{MAP_FILE}"
    if not stated_licence(read_card(package)):
        yield f"its card states no licence: write `license: ...` into the first lines of {CARD_FILE}; it is kept"


def _require_own_files(package: Package) -> None:
    """Nothing from outside the directory is published; files of the Hub's cache are links within it."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folders = (package.path.resolve(), Path(HF_HUB_CACHE).resolve())
    for file in (package.path / name for name in PUBLISHED_FILES):
        if file.is_file() and not any(file.resolve().is_relative_to(folder) for folder in folders):
            raise PublishError(f"{file} is a link to {file.resolve()}, outside of the model directory; copy the file")


def _require_verified(package: Package, precision: Precision) -> None:
    file, verified = package.onnx(precision), package.verified_sha256(precision)
    remedy = f"compare it: zoo verify --precision {precision} --data IMAGES"
    if verified is None:
        raise PublishError(
            f"{file} was not compared with its network, since {PARITY_FILE} says nothing of it; {remedy}"
        )
    if file and verified != (digest := sha256(file)):
        raise DigestError(f"{file} has SHA-256 {digest}, but {PARITY_FILE} was written for {verified}; {remedy}")
    # Without the file the record says which one was compared; the versions that exported it give it again.
    file = file or package.path / ONNX_FILES[precision]
    if package.verified_against(precision) != {package.config.weights_sha256}:
        raise PublishError(
            f"{file} was compared with other weights than the directory holds; export it again, and {remedy}"
        )
    if package.verification_failed(precision):
        raise PublishError(
            f"{file} is too far from its network, or {PARITY_FILE} does not say that it is near; export it again, and "
            f"{remedy}, which says by how much and what can be allowed"
        )


def _require_own_metrics(package: Package) -> None:
    file, metrics = package.path / METRICS_FILE, read_metrics(package)
    for split, scores in metrics.scores.items():
        for through, score in scores.items():
            if not is_own_score(package, through, score):
                how = f"--split {split} --through {'URL' if through == 'server' else through} --record"
                raise PublishError(
                    f"{file}: {split}.{through} is not the accuracy of what the directory holds, as its "
                    f"{digest_field(through)} says; remove it, or measure it: zoo eval ... {how}"
                )
    if metrics.training and not is_own_training(package, metrics.training):
        raise PublishError(
            f"{file}: training is not that of {WEIGHTS_FILE}, as its weights_sha256 says; remove it, or give the "
            "command zoo train again, which writes it anew"
        )
