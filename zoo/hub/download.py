"""Fetching of model directories from the Hub into the local cache, with checks of their digests."""

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
    """The model directory of a Hub repository; files missing in the local cache are downloaded.

    Only the named files are downloaded, and nothing in them is ever executed or unpickled. A file that is damaged in
    the cache is downloaded once more.

    Arguments:
        repository: `ORG/NAME`.
        revision: branch, tag or commit; None for the newest.
        files: names of the files; some may not exist.
        release: SHA-256 by name of all files that determine the model's outputs; None for the digests recorded in the
        directory itself.
        options: passed to `huggingface_hub.snapshot_download`.

    Raises:
        PackageError: the repository cannot be fetched or is not a model directory; with reason and remedy.
        DigestError: a file does not have the expected digest.
    """
    where = f"the Hub repository {repository}@{revision}" if revision else f"the Hub repository {repository}"
    names = [name for name in files if release is None or name in release or name not in ANSWERING_FILES]
    folder = _download(where, repository, revision=revision, allow_patterns=names, **options)
    if release is None and not (folder / CONFIG_FILE).is_file():
        raise PackageError(
            f"{where} is not a model directory, as it has no {CONFIG_FILE}; give another repository or, if the local "
            "cache is incomplete, fetch it with a network connection"
        )
    expected = {name: digest for name, digest in (release or _own_digests(folder)).items() if name in names}
    wrong = _wrong(folder, expected)
    if wrong:
        _log.warning("%s: downloading %s again, as it is damaged in the cache", where, ", ".join(wrong))
        try:
            # The snapshot's folder is named after its commit.
            again = {**options, "revision": folder.name, "allow_patterns": wrong, "force_download": True}
            _download(where, repository, **again)
        except PackageError as error:
            raise DigestError(
                f"{', '.join(wrong)} in {folder} is damaged and must be downloaded again, but {error}"
            ) from None
    for name in _wrong(folder, expected):
        other = "its SHA-256 digest differs" if (folder / name).is_file() else "it is missing"
        raise DigestError(
            f"{name} of {where} is not the published file: {other}. Do not use it; report it to the maintainers of the "
            "repository, or of the mirror in HF_ENDPOINT"
        )
    return Package.open(folder)


def _download(where: str, repository: str, **options: Any) -> Path:
    # Imported late: it takes a third of a second, and local models do not need it.
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, library_name="template-zoo", **options))
    except Exception as error:  # from huggingface_hub, its HTTP library or the system, without a common base class
        raise PackageError(f"{where} {describe_failure(error, 'fetched')}") from error


def _own_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of the weights and the ONNX files present, as recorded in the directory itself."""
    package = Package.open(folder)
    named = {WEIGHTS_FILE: package.config.weights_sha256} if (folder / WEIGHTS_FILE).is_file() else {}
    for precision in package.precisions:
        if verified := package.verified_sha256(precision):
            named[ONNX_FILES[precision]] = verified
    return named


def _wrong(folder: Path, expected: Mapping[str, str]) -> list[str]:
    """Names of the files that are missing or have another digest than expected."""
    return [name for name, digest in expected.items() if not _has(folder / name, digest)]


def _has(file: Path, digest: str) -> bool:
    return file.is_file() and sha256(file) == digest
