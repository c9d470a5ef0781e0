"""References to models: local model directories and repositories on the Hugging Face Hub.

A reference is one of

    VARIANT              `wrn16-ours`: the variant's model for the default data set, or else its only model
    VARIANT.DATA         `wrn16-ours.cifar100`
    local-dir:PATH       a model directory
    hf-hub:ORG/NAME[@REV]  a repository on the Hub with a model directory

Names are looked up in the folder given by `ZOO_WEIGHTS`, in `weights/` of the source tree, and among the releases on
the Hub, whose files are kept in huggingface_hub's cache.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from zoo.errors import BarePathError, PackageError, UnknownNameError, find_name
from zoo.files import expand_path
from zoo.hub.download import fetch
from zoo.hub.releases import ORGANIZATION_VARIABLE, chosen_organization, organization, read_releases
from zoo.package import CONFIG_FILE, ONNX_FILES, PUBLISHED_FILES, Package
from zoo.registry import list_models

DEFAULT_DATA = "cifar10"
DEFAULT_MODEL = "wrn16-ours.cifar10"
"""Default model of the server and the command line: the most accurate one with the semantic block."""

WEIGHTS_VARIABLE = "ZOO_WEIGHTS"
LOCAL_PREFIX, HUB_PREFIX = "local-dir:", "hf-hub:"


def open_model(reference: str, files: Iterable[str] = PUBLISHED_FILES) -> Package:
    """Open the model directory of a reference, fetching it from the Hub if necessary.

    Arguments:
        reference: in one of the forms above.
        files: names of the files needed; only these are fetched from the Hub.

    Raises:
        BarePathError: the reference is a path without `local-dir:`.
        UnknownNameError: the variant is unknown, or has several models and none for the default data set.
        PackageError: the model does not exist, or its directory is not valid.
        DigestError: a file from the Hub differs from the published one.
    """
    if reference.startswith(LOCAL_PREFIX):
        return Package.open(expand_path(reference.removeprefix(LOCAL_PREFIX)))
    if reference.startswith(HUB_PREFIX):
        repository, _, revision = reference.removeprefix(HUB_PREFIX).partition("@")
        return fetch(repository, revision or None, files)
    refuse_path(reference)
    name = _only_model(reference) or model_name(reference)
    here = _local(name)
    return Package.open(here) if here else _released(name, files)


def reference_of(package: Package) -> str:
    """Reference with which a command opens a model directory again."""
    if package.path == _local(package.config.name):
        return package.config.name
    return f"{LOCAL_PREFIX}{package.path}"


def model_name(reference: str) -> str:
    """`VARIANT.DATA` for a reference by name, with the default data set if it names none.

    Raises:
        UnknownNameError: the variant is unknown.
    """
    variant, _, data = reference.partition(".")
    if variant not in list_models():
        raise UnknownNameError("variant", variant, list_models())
    return f"{variant}.{data or DEFAULT_DATA}"


def _only_model(variant: str) -> str | None:
    """The only model of a variant that has none for the default data set.

    Raises:
        AmbiguousNameError: it has several models.
    """
    known = {*local_models(), *released_models()}
    found = [name for name in known if name.partition(".")[0] == variant]
    if not found or model_name(variant) in found or chosen_organization():
        return None
    return find_name("model", variant, found)


def _released(name: str, files: Iterable[str]) -> Package:
    """A released model; with another organisation, the newest revision of a model without a release."""
    repository = f"{organization()}/{name}"
    release = read_releases().get(repository)
    if release:
        return fetch(repository, release.revision, files, release.files)
    if chosen_organization():
        return fetch(repository, None, files)
    variant, _, data = name.partition(".")
    raise PackageError(
        f"model {name!r} is not available locally (available: {', '.join(local_models()) or 'none'}), and was not "
        f"released with this version; train it with `zoo train {variant} --data {data}` and give its directory "
        f"({LOCAL_PREFIX}runs/{name}/model), give a Hub repository ({HUB_PREFIX}ORG/NAME@REVISION), or set "
        f"{ORGANIZATION_VARIABLE} to an organisation that has it"
    )


def _local(name: str) -> Path | None:
    """Local model directory of this name."""
    return next((folder / name for folder in weight_folders() if (folder / name / CONFIG_FILE).is_file()), None)


def has_onnx(name: str) -> bool:
    """Whether a local model has an ONNX file in any precision."""
    here = _local(name)
    return here is not None and any((here / file).is_file() for file in ONNX_FILES.values())


def local_models() -> list[str]:
    """Names of the models that are available without the Hub."""
    found = {file.parent.name for folder in weight_folders() for file in folder.glob(f"*/{CONFIG_FILE}")}
    return sorted(found)


def released_models() -> list[str]:
    """Names of the models that are fetched from the Hub on first use."""
    return [
        name for owner, name in (repository.split("/") for repository in read_releases()) if owner == organization()
    ]


def weight_folders() -> list[Path]:
    """Folders of model directories, in search order."""
    folders = [Path(__file__).resolve().parents[2] / "weights"]
    if chosen := os.environ.get(WEIGHTS_VARIABLE):
        folders.insert(0, expand_path(chosen))
    return folders


def refuse_path(reference: str) -> None:
    """Raise `BarePathError` for a reference that can only be a path."""
    if "/" in reference or "\\" in reference or reference.startswith((".", "~")) or not reference:
        missing = "" if not reference or expand_path(reference).exists() else " and there is no such folder"
        raise BarePathError(
            f"{reference!r} is not a model name{missing}; for a model directory use {LOCAL_PREFIX}"
            f"{'PATH' if missing else reference or 'PATH'}, for a Hub repository {HUB_PREFIX}ORG/NAME"
        )
