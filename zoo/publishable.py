"""Whether a model directory is fit to be published: nothing that others would have to take on trust."""

from collections.abc import Iterator
from pathlib import Path

from zoo.card_results import measured_split
from zoo.entities import Entities
from zoo.errors import DigestError, PublishError
from zoo.package import MAP_FILE, PARITY_FILE, PUBLISHED_FILES, Package, sha256
from zoo.registry import info
from zoo.runtime import Precision
from zoo.speed import read_speed


def require_publishable(package: Package) -> None:
    """Check that the weights are those of `config.json`, and that every ONNX file was compared with them.

    Raises:
        UnknownNameError: the zoo has no such variant.
        PackageError: a file is missing, not valid, or made from other weights (`DigestError`: damaged or replaced).
        PublishError: an ONNX file was not compared, or not with these weights, or is too far from them; or a
            file is a link to elsewhere.
    """
    info(package.config.variant)
    _require_own_files(package)
    package.weights()
    Entities.read(package)
    for precision in package.precisions:
        _require_proof(package, precision)


def missing(package: Package) -> Iterator[str]:
    """What others would miss, each with the command that makes it."""
    name = package.config.name
    if not package.precisions:
        yield "it has no ONNX file, which servers need: zoo export, then zoo verify"
    if not package.metrics().get(measured_split(package.metrics())):
        yield f"its accuracy was not measured: zoo eval ... --data {package.config.data} --record"
    if package.precisions and len(read_speed(package)) < len(package.precisions):
        yield "its speed was not measured: zoo speed"
    if not (package.path / MAP_FILE).is_file():
        yield f"its card has no picture: zoo patches PHOTO -m local-dir:{name} -o {name}/{MAP_FILE}"


def _require_own_files(package: Package) -> None:
    """Nothing from outside the directory is published; files of the Hub's cache are links within it."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folders = (package.path.resolve(), Path(HF_HUB_CACHE).resolve())
    for file in (package.path / name for name in PUBLISHED_FILES):
        if file.is_file() and not any(file.resolve().is_relative_to(folder) for folder in folders):
            raise PublishError(f"{file} is a link to {file.resolve()}, outside of the model directory; copy the file")


def _require_proof(package: Package, precision: Precision) -> None:
    file = package.onnx(precision)
    assert file
    proven, remedy = package.proven(precision), f"compare it: zoo verify --precision {precision} --data PICTURES"
    if proven is None:
        raise PublishError(
            f"{file} was not compared with its network, since {PARITY_FILE} says nothing of it; {remedy}"
        )
    if proven != (digest := sha256(file)):
        raise DigestError(f"{file} has SHA-256 {digest}, but {PARITY_FILE} was written for {proven}; {remedy}")
    weights = {record.get("weights_sha256") for record in package.parity()[precision].values()}
    if weights != {package.config.weights_sha256}:
        raise PublishError(
            f"{file} was compared with other weights than the directory holds; export it again, and {remedy}"
        )
    if package.failed(precision):
        raise PublishError(f"{file} is too far from its network, as {PARITY_FILE} says; export it again, and {remedy}")
