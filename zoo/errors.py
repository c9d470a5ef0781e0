"""Exceptions of the zoo. Each message names the value, the limit and the remedy."""

import difflib
import errno
from collections.abc import Iterable


class ZooError(Exception):
    """Base class of the zoo's exceptions; the command line prints the message without a traceback."""


_PERMISSIONS = "check the permissions of this path and of the folders above it, or give another one"
_SPACE = "free some space, or give a path on another disk"

_REMEDIES = {
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path: a part of it is a file, not a folder",
    errno.EISDIR: "give a file, not a folder",
    errno.EROFS: "the disk is read-only; give a path on another one",
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.ENAMETOOLONG: "give a shorter path",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
}
"""Remedies by the number of an `OSError`."""


def reason_of(error: Exception, remedy: str | None = None) -> str:
    """Reason for an error, for messages that name the file themselves; for an `OSError`, with a remedy.

    Arguments:
        error: the error.
        remedy: for an `OSError`, in place of the usual remedy; empty for none.
    """
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    if remedy is None:
        remedy = _REMEDIES.get(error.errno or 0, "")
    return f"{error.strerror}; {remedy}" if remedy else error.strerror


def reading_problem(file: object, error: Exception) -> str:
    """Message about a file that cannot be read, or whose content is wrong."""
    return f"{'cannot read ' if isinstance(error, OSError) else ''}{file}: {reason_of(error)}"


class UnknownNameError(ZooError, LookupError):
    """An unknown name of a variant, model, class or data set."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        shown = name if len(name) <= 80 else f"{name[:80]}..."
        super().__init__(f"unknown {kind} {shown!r}; {suggestion(name, known)}")
        self.name = name
        self.close = close_names(name, known)


def suggestion(name: str, known: Iterable[str]) -> str:
    """End of an error message about an unknown name: similar names, or all known ones if none is similar."""
    known = sorted(known)
    close = close_names(name, known)
    return f"did you mean {' or '.join(close)}?" if close else f"available: {', '.join(known) or 'none'}"


def close_names(name: str, known: Iterable[str], likeness: float = 0.5) -> list[str]:
    """Known names similar to an unknown one, at most three, the most similar first.

    Arguments:
        likeness: minimum similarity, in 0..1.
    """
    return difflib.get_close_matches(name, list(known), n=3, cutoff=likeness)


class AmbiguousNameError(UnknownNameError):
    """A variant name that matches several models."""

    def __init__(self, kind: str, name: str, candidates: Iterable[str]) -> None:
        self.name = name
        self.close = sorted(candidates)
        ZooError.__init__(self, f"ambiguous {kind} {name!r}: it matches {', '.join(self.close)}; give the full name")


def find_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Resolve a name to `VARIANT.DATA`: an exact match, or the only model of a variant.

    Raises:
        UnknownNameError: there is no match (`AmbiguousNameError`: there are several).
    """
    known = list(known)
    if name in known:
        return name
    found = [each for each in known if each.partition(".")[0] == name]
    if not found:
        raise UnknownNameError(kind, name, known)
    if len(found) > 1:
        raise AmbiguousNameError(kind, name, found)
    return found[0]


class DuplicateVariantError(ZooError, ValueError):
    """A variant was registered under a name already in use."""


class BarePathError(ZooError, ValueError):
    """A path was given where a name was expected."""


class PackageError(ZooError, ValueError):
    """A model directory that is incomplete or inconsistent."""


class WeightsMismatchError(PackageError):
    """Weights whose tensor names or shapes do not match the network."""


class NoEmbeddingError(PackageError):
    """A model whose ONNX file, exported by an earlier version, has no embedding."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"the ONNX file of {reference} has no output embedding, as it was exported by an earlier version; export "
            f"it again: `zoo export {reference}`"
        )


class DigestError(PackageError):
    """A file whose SHA-256 digest differs from the recorded one."""


class PublishError(ZooError, RuntimeError):
    """A model directory that cannot be published: it does not qualify, or the Hub rejected it."""


class MissingDependencyError(ZooError, ImportError):
    """An optional dependency that this action needs is not installed."""


class InputError(ZooError, ValueError):
    """An array or an argument of the wrong shape, type or range."""


class DeviceError(ZooError):
    """A requested device is not available, or fails."""


class DataError(ZooError, ValueError):
    """A data set that cannot be found, or whose images, labels or classes are unusable."""


class ImageError(ZooError, ValueError):
    """Bytes that cannot be decoded as an image."""


class UnsupportedImageError(ImageError):
    """Bytes that are not an image in a supported format."""


class ImageTooLargeError(ImageError):
    """An image whose pixels or bytes exceed the limit."""


class ImageIndexError(ZooError, ValueError):
    """An index of images that is incomplete, of another version, or of another model."""
