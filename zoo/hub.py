"""Where a model comes from: a folder, the weights beside the source, or the Hugging Face Hub.

A reference is one of

    VARIANT              `wrn16-ours`: the variant's model of the default data set
    VARIANT.DATA         `wrn16-ours.cifar100`
    local-dir:PATH       a model directory
    hf-hub:ORG/NAME[@REV]  a repository on the Hub that holds a model directory

Names are looked up in the folder that `ZOO_WEIGHTS` names and in `weights/` of the source tree.
"""

import os
from pathlib import Path

from zoo.errors import BarePathError, PackageError, UnknownNameError
from zoo.package import (
    CARD_FILE,
    CONFIG_FILE,
    METRICS_FILE,
    ONNX_FILES,
    PARITY_FILE,
    SERVING_FILE,
    WEIGHTS_FILE,
    Package,
)
from zoo.registry import list_models

DEFAULT_DATA = "cifar10"
DEFAULT_MODEL = "dn100-ours-c.cifar10"
"""The model that the server and the command line use unless told otherwise: the most accurate one with the block."""

LOCAL_PREFIX, HUB_PREFIX = "local-dir:", "hf-hub:"


def open_model(reference: str) -> Package:
    """The model directory that a reference means, fetched from the Hub if need be.

    Raises:
        BarePathError: the reference is a path without `local-dir:`.
        UnknownNameError: no variant has this name.
        PackageError: the model is not there, or its directory is not valid.
    """
    if reference.startswith(LOCAL_PREFIX):
        return Package.open(Path(reference.removeprefix(LOCAL_PREFIX)).expanduser())
    if reference.startswith(HUB_PREFIX):
        repository, _, revision = reference.removeprefix(HUB_PREFIX).partition("@")
        return _fetch(repository, revision or None)
    refuse_path(reference)
    name = model_name(reference)
    for folder in weight_folders():
        if (folder / name / CONFIG_FILE).is_file():
            return Package.open(folder / name)
    raise PackageError(
        f"there is no model {name!r} here (there are: {', '.join(local_models()) or 'none'}); train it with "
        f"`zoo train {name.partition('.')[0]}`, or name a directory ({LOCAL_PREFIX}PATH) or a Hub repository "
        f"({HUB_PREFIX}ORG/NAME)"
    )


def model_name(reference: str) -> str:
    """`VARIANT.DATA` for a reference by name, with the default data set if it names none.

    Raises:
        UnknownNameError: no variant has this name.
    """
    variant, _, data = reference.partition(".")
    if variant not in list_models():
        raise UnknownNameError("variant", variant, list_models())
    return f"{variant}.{data or DEFAULT_DATA}"


def local_models() -> list[str]:
    """Names of the models that can be opened without the Hub."""
    found = {file.parent.name for folder in weight_folders() for file in folder.glob(f"*/{CONFIG_FILE}")}
    return sorted(found)


def weight_folders() -> list[Path]:
    """Folders of model directories, in the order in which they are searched."""
    folders = [Path(__file__).resolve().parents[1] / "weights"]
    if chosen := os.environ.get("ZOO_WEIGHTS"):
        folders.insert(0, Path(chosen).expanduser())
    return folders


def refuse_path(reference: str) -> None:
    """Raise `BarePathError` for what can only be meant as a path."""
    if "/" in reference or "\\" in reference or reference.startswith((".", "~")) or not reference:
        raise BarePathError(
            f"{reference!r} is not a name; for a model directory write {LOCAL_PREFIX}{reference or 'PATH'}, "
            f"for a Hub repository {HUB_PREFIX}ORG/NAME"
        )


def _fetch(repository: str, revision: str | None) -> Package:
    # Imported late: it takes a third of a second, and a local model needs none of it.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"{repository}@{revision}" if revision else repository
    files = [WEIGHTS_FILE, CONFIG_FILE, METRICS_FILE, CARD_FILE, *ONNX_FILES.values(), PARITY_FILE, SERVING_FILE]
    try:
        # Only the files of a model directory are fetched: nothing from the Hub is ever executed or unpickled.
        return Package.open(Path(snapshot_download(repository, revision=revision, allow_patterns=files)))
    except GatedRepoError:
        problem = "asks you to accept its terms on its Hub page first"
    except RevisionNotFoundError:
        problem = "has no such revision; leave out @REV for the newest"
    except RepositoryNotFoundError:
        problem = "does not exist or is private; check the name, or log in with `hf auth login`"
    except HFValidationError as error:
        problem = f"is not a repository name: {error}"
    except LocalEntryNotFoundError:
        problem = "is not in the local cache and the Hub cannot be reached; check the network and HF_HUB_OFFLINE"
    except (HfHubHTTPError, OSError) as error:
        problem = f"cannot be fetched: {error}"
    raise PackageError(f"the Hub repository {where} {problem}")
