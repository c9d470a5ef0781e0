"""From a repository on the Hub to a model directory in the local cache, its files checked."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import DigestError, PackageError
from zoo.hub_errors import reason
from zoo.package import ANSWERING_FILES, CONFIG_FILE, WEIGHTS_FILE, Package, sha256

_log = logging.getLogger(__name__)


def fetch(
    repository: str,
    revision: str | None,
    files: Sequence[str],
    release: Mapping[str, str] | None = None,
    **options: Any,
) -> Package:
    """The model directory of a repository: from the local cache, and from the Hub what is not there.

    Only files of these names are fetched, and nothing of them is ever executed or unpickled. A file that is damaged in
    the cache is fetched once more.

    Arguments:
        repository: `ORG/NAME`.
        revision: branch, tag or commit; None for the newest.
        files: their names; some of them may not be there.
        release: SHA-256 by name of all files that decide what the model answers; None for what the directory says of
            itself.
        options: of `huggingface_hub.snapshot_download`.

    Raises:
        PackageError: it cannot be fetched, or is no model directory; says why and what helps.
        DigestError: a file is not what it must be.
    """
    where = f"the Hub repository {repository}@{revision}" if revision else f"the Hub repository {repository}"
    if release is not None:
        files = [name for name in files if name in release or name not in ANSWERING_FILES]
    folder = _download(where, repository, revision=revision, allow_patterns=list(files), **options)
    if release is None and not (folder / CONFIG_FILE).is_file():
        raise PackageError(f"{where} holds no model directory: it has no {CONFIG_FILE}; name another repository")
    if damaged := _damaged(folder, files, release):
        _fetch_again(where, repository, folder, damaged, options)
    for name in _damaged(folder, files, release):
        raise DigestError(
            f"{name} of {where} is not the file that was published: its SHA-256 digest is another. Do not use it, and "
            "tell whoever runs the repository, or the mirror in HF_ENDPOINT"
        )
    return Package.open(folder)


def _fetch_again(where: str, repository: str, folder: Path, names: list[str], options: Mapping[str, Any]) -> None:
    _log.warning("%s: fetching %s again, damaged in the cache", where, ", ".join(names))
    for name in names:
        (folder / name).unlink(missing_ok=True)
    try:
        # The snapshot's folder is named after its commit.
        again = {**options, "revision": folder.name, "allow_patterns": names, "force_download": True}
        _download(where, repository, **again)
    except PackageError as error:
        raise DigestError(
            f"{', '.join(names)} was damaged in {folder} and has to be fetched again, but {error}"
        ) from None


def _download(where: str, repository: str, **options: Any) -> Path:
    # Imported late: it takes a third of a second, and a local model needs none of it.
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, library_name="template-zoo", **options))
    except Exception as error:  # of huggingface_hub, of its HTTP library and of the system: they have no common base
        raise PackageError(f"{where} {reason(error, 'fetched')}") from error


def _damaged(folder: Path, files: Sequence[str], release: Mapping[str, str] | None) -> list[str]:
    """Names of the files with another digest than they must have."""
    if release is None:
        package = Package.open(folder)
        onnx = {file.name: package.proven(one) for one in package.precisions if (file := package.onnx(one))}
        weights = {WEIGHTS_FILE: package.config.weights_sha256} if (folder / WEIGHTS_FILE).is_file() else {}
        expected = {**onnx, **weights}
    else:
        expected = dict(release)
    wrong = (name for name in files if (digest := expected.get(name)) and _digest(folder / name) != digest)
    return list(wrong)


def _digest(file: Path) -> str | None:
    return sha256(file) if file.is_file() else None
