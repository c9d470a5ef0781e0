"""Where a model comes from: a folder, the weights beside the source, or the Hugging Face Hub.

A reference is one of

    VARIANT              `wrn16-ours`: the variant's model of the default data set, or its only one if it has none
    VARIANT.DATA         `wrn16-ours.cifar100`
    local-dir:PATH       a model directory
    hf-hub:ORG/NAME[@REV]  a repository on the Hub that holds a model directory

Names are looked up in the folder that `ZOO_WEIGHTS` names, in `weights/` of the source tree, and among the releases on
the Hub; what comes from there stays in huggingface_hub's cache.
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
"""The model that the server and the command line use unless told otherwise: the most accurate one with the block."""

WEIGHTS_VARIABLE = "ZOO_WEIGHTS"
LOCAL_PREFIX, HUB_PREFIX = "local-dir:", "hf-hub:"


def open_model(reference: str, files: Iterable[str] = PUBLISHED_FILES) -> Package:
    """The model directory that a reference means, fetched from the Hub if need be.

    Arguments:
        reference: see above.
        files: names of those that are needed; from the Hub the others are not fetched.

    Raises:
        BarePathError: the reference is a path without `local-dir:`.
        UnknownNameError: no variant has this name, or several models have it and none of the default data set.
        PackageError: the model is not there, or its directory is not valid.
        DigestError: a file from the Hub is not the one that was published.
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
    """What a command is to be given to open a model directory again."""
    if package.path == _local(package.config.name):
        return package.config.name
    return f"{LOCAL_PREFIX}{package.path}"


def model_name(reference: str) -> str:
    """`VARIANT.DATA` for a reference by name, with the default data set if it names none.

    Raises:
        UnknownNameError: no variant has this name.
    """
    variant, _, data = reference.partition(".")
    if variant not in list_models():
        raise UnknownNameError("variant", variant, list_models())
    return f"{variant}.{data or DEFAULT_DATA}"


def _only_model(variant: str) -> str | None:
    """The model of a variant that has one, but none of the default data set.

    Raises:
        AmbiguousNameError: it has several.
    """
    known = {*local_models(), *released_models()}
    found = [name for name in known if name.partition(".")[0] == variant]
    if not found or model_name(variant) in found or chosen_organization():
        return None
    return find_name("model", variant, found)


def _released(name: str, files: Iterable[str]) -> Package:
    """A release; where another organisation was chosen, its newest revision if it has no release."""
    repository = f"{organization()}/{name}"
    release = read_releases().get(repository)
    if release:
        return fetch(repository, release.revision, files, release.files)
    if chosen_organization():
        return fetch(repository, None, files)
    raise PackageError(
        f"there is no model {name!r} here (there are: {', '.join(local_models()) or 'none'}), and none was released "
        f"with this version; train it with `zoo train {name.partition('.')[0]}`, name a directory ({LOCAL_PREFIX}PATH) "
        f"or a Hub repository ({HUB_PREFIX}ORG/NAME@REVISION), or set {ORGANIZATION_VARIABLE} to an organisation that "
        "has it"
    )


def _local(name: str) -> Path | None:
    """The model directory of this name that is here."""
    return next((folder / name for folder in weight_folders() if (folder / name / CONFIG_FILE).is_file()), None)


def has_onnx(name: str) -> bool:
    """Whether a model that is here has an ONNX file, in whatever precision."""
    here = _local(name)
    return here is not None and any((here / file).is_file() for file in ONNX_FILES.values())


def local_models() -> list[str]:
    """Names of the models that can be opened without the Hub."""
    found = {file.parent.name for folder in weight_folders() for file in folder.glob(f"*/{CONFIG_FILE}")}
    return sorted(found)


def released_models() -> list[str]:
    """Names of the models that are fetched from the Hub when they are first used."""
    return [
        name for owner, name in (repository.split("/") for repository in read_releases()) if owner == organization()
    ]


def weight_folders() -> list[Path]:
    """Folders of model directories, in the order in which they are searched."""
    folders = [Path(__file__).resolve().parents[2] / "weights"]
    if chosen := os.environ.get(WEIGHTS_VARIABLE):
        folders.insert(0, expand_path(chosen))
    return folders


def refuse_path(reference: str) -> None:
    """Raise `BarePathError` for what can only be meant as a path."""
    if "/" in reference or "\\" in reference or reference.startswith((".", "~")) or not reference:
        raise BarePathError(
            f"{reference!r} is not a name; for a model directory write {LOCAL_PREFIX}{reference or 'PATH'}, "
            f"for a Hub repository {HUB_PREFIX}ORG/NAME"
        )
