"""Every error that the zoo raises on purpose. Each message names the value, the limit and the remedy."""

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """Base of all errors raised on purpose; the command line prints its message without a traceback."""


def reason_of(error: Exception) -> str:
    """The reason of an error for a message that names the file itself: the system's words, without number and file."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


class UnknownNameError(ZooError, LookupError):
    """A variant, model, class or data set name that is not there."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        shown = name if len(name) <= 80 else f"{name[:80]}..."
        super().__init__(f"no {kind} is called {shown!r}; {suggestion(name, known)}")
        self.name = name
        self.close = close_names(name, known)


def suggestion(name: str, known: Iterable[str]) -> str:
    """End of an error message about an unknown name: those that are close to it, or else all."""
    known = sorted(known)
    close = close_names(name, known)
    return f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(known) or 'none'}"


def close_names(name: str, known: Iterable[str], likeness: float = 0.5) -> list[str]:
    """Known names that an unknown one may be meant for, at most three, the closest first.

    Arguments:
        likeness: in 0..1, that they have at least.
    """
    return difflib.get_close_matches(name, list(known), n=3, cutoff=likeness)


class AmbiguousNameError(UnknownNameError):
    """A variant's name where several models of it are meant."""

    def __init__(self, kind: str, name: str, candidates: Iterable[str]) -> None:
        self.name = name
        self.close = sorted(candidates)
        ZooError.__init__(self, f"{name!r} may be any of several: {', '.join(self.close)}; name the {kind} you mean")


def find_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The name `VARIANT.DATA` that a name means: itself, or the only one of a variant.

    Raises:
        UnknownNameError: there is none; `AmbiguousNameError`: the variant has several.
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
    """A second variant was registered under a name that is taken."""


class BarePathError(ZooError, ValueError):
    """A path was given where a name was expected."""


class PackageError(ZooError, ValueError):
    """A model directory that is incomplete or whose files contradict each other."""


class WeightsMismatchError(PackageError):
    """Weights whose tensor names or shapes are not those of the network."""


class DigestError(PackageError):
    """A file whose SHA-256 digest is not the recorded one."""


class PublishError(ZooError, RuntimeError):
    """A model directory that cannot be published: it is not fit for it, or the Hub did not take it."""


class MissingDependencyError(ZooError, ImportError):
    """An optional dependency that this action needs is not installed."""


class InputError(ZooError, ValueError):
    """An array or an argument of the wrong shape, type or range."""


class DataError(ZooError, ValueError):
    """A data set that cannot be found, or whose images, labels or classes are of no use."""


class ImageError(ZooError, ValueError):
    """Bytes that cannot be turned into an image."""


class UnsupportedImageError(ImageError):
    """Bytes that are not an image of a listed format."""


class ImageTooLargeError(ImageError):
    """An image with more pixels, or more bytes, than the limit."""
