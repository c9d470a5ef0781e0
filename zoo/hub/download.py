"""From a repository on the Hub to a model directory in the local cache, its files checked."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import DigestError, PackageError
from zoo.files import sha256
from zoo.hub.errors import describe_failure
from zoo.package import ANSWERING_FILES, CONFIG_FILE, ONNX_FILES, WEIGHTS_FILE, Package

_log = logging.getLogger(__name__)


def fetch(
    repository: str,
    revision: str | None,
    files: Iterable[str],
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
    names = [name for name in files if release is None or name in release or name not in ANSWERING_FILES]
    folder = _download(where, repository, revision=revision, allow_patterns=names, **options)
    if release is None and not (folder / CONFIG_FILE).is_file():
        raise PackageError(
            f"{where} holds no model directory: there is no {CONFIG_FILE}; name another repository, or fetch it where "
            "there is a network if the local cache has only a part of it"
        )
    expected = {name: digest for name, digest in (release or _own_digests(folder)).items() if name in names}
    wrong = _wrong(folder, expected)
    if wrong:
        _log.warning("%s: fetching %s again, damaged in the cache", where, ", ".join(wrong))
        try:
            # The snapshot's folder is named after its commit.
            again = {**options, "revision": folder.name, "allow_patterns": wrong, "force_download": True}
            _download(where, repository, **again)
        except PackageError as error:
            raise DigestError(
                f"{', '.join(wrong)} of {folder} is damaged and has to be fetched again, but {error}"
            ) from None
    for name in _wrong(folder, expected):
        other = "its SHA-256 digest is another" if (folder / name).is_file() else "there is none"
        raise DigestError(
            f"{name} of {where} is not the file that was published: {other}. Do not use it, and tell whoever runs the "
            "repository, or the mirror in HF_ENDPOINT"
        )
    return Package.open(folder)


def _download(where: str, repository: str, **options: Any) -> Path:
    # Imported late: it takes a third of a second, and a local model needs none of it.
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, library_name="template-zoo", **options))
    except Exception as error:  # of huggingface_hub, of its HTTP library and of the system: they have no common base
        raise PackageError(f"{where} {describe_failure(error, 'fetched')}") from error


def _own_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of the weights and the ONNX files that are there, as the directory itself names them."""
    package = Package.open(folder)
    named = {WEIGHTS_FILE: package.config.weights_sha256} if (folder / WEIGHTS_FILE).is_file() else {}
    for precision in package.precisions:
        if verified := package.verified_sha256(precision):
            named[ONNX_FILES[precision]] = verified
    return named


def _wrong(folder: Path, expected: Mapping[str, str]) -> list[str]:
    """Names of the files that are not there, or have another digest than expected."""
    return [name for name, digest in expected.items() if not _has(folder / name, digest)]


def _has(file: Path, digest: str) -> bool:
    return file.is_file() and sha256(file) == digest
