"""`zoo publish`: a model directory becomes a repository on the Hub, in one commit of what changed.

What was uploaded stays there when an upload breaks off, and is not sent again; a commit is there wholly or not at all.
Each try compares with what the repository has then, so that one whose answer was lost is found done by the next.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from zoo.errors import PublishError, ZooError
from zoo.files import sha256
from zoo.hub.errors import describe_failure, is_transient
from zoo.hub.releases import Release
from zoo.package import ANSWERING_FILES, CARD_FILE, PUBLISHED_FILES, Package
from zoo.package.card import hand_written, model_card, stated_licence

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

RETRY_DELAYS = (1.0, 4.0, 16.0)
"""Seconds before each further try, where the Hub may take then what it did not take before."""


@dataclass(frozen=True, slots=True)
class Change:
    """What would become of one file of a repository."""

    file: str
    kind: Literal["new", "changed", "removed"]
    before: int | None
    """Bytes on the Hub."""
    after: int | None
    """Bytes here."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What publishing would do."""

    repository: str
    head: str | None
    """The commit that it was made for; None where there is no such repository."""
    content: Mapping[str, Path | bytes]
    """Of all files of the model directory, by name."""
    changes: tuple[Change, ...]
    card: tuple[str, str]
    """The card on the Hub and the new one."""


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing has done."""

    plan: Plan
    url: str
    """Of the commit or the pull request."""
    release: Release | None
    """What `releases.json` says of it; None for a pull request."""


def plan_publishing(package: Package, repository: str, private: bool = False) -> Plan:
    """Compare a model directory with its repository; nothing is changed.

    Arguments:
        package: the model directory.
        repository: `ORG/NAME`.
        private: whether the repository must be private.

    Raises:
        PublishError: the Hub cannot be asked, or the repository is public.
        PackageError: the model directory is not valid, or the card on the Hub is not the zoo's.
    """
    try:
        return _plan(_api(), package, repository, private)
    except ZooError:
        raise
    except Exception as error:  # of huggingface_hub, of its HTTP library and of the system: they have no common base
        raise _failed(repository, error) from error


def publish(
    package: Package,
    repository: str,
    private: bool = False,
    pull_request: bool = False,
    waits: Sequence[float] = RETRY_DELAYS,
) -> Published:
    """Bring a repository to the state of a model directory, and make it if there is none.

    Arguments:
        package, repository: as above.
        private: whether a new repository is only for those who were let in.
        pull_request: whether the commit is proposed as a pull request.
        waits: seconds before each further try.

    Raises:
        PublishError: it could not be done; says why and what helps.
        PackageError: as above.
    """
    first: Plan | None = None
    remaining = iter(waits)
    while True:
        try:
            plan = _plan(_api(), package, repository, private)
            first = first or plan
            done = _commit(_api(), plan, private, pull_request)
        except ZooError:
            raise
        except Exception as error:  # as above
            wait = next(remaining, None)
            # A second try of a pull request whose answer was lost would open another one.
            if wait is None or pull_request or not is_transient(error):
                raise _failed(repository, error) from error
            time.sleep(wait)
        else:
            # An earlier try may have done all, and only its answer was lost.
            return done if plan.changes else replace(done, plan=first)


def _api() -> "HfApi":
    # Imported late: it takes a third of a second.
    from huggingface_hub import HfApi

    return HfApi(library_name="template-zoo")


def _failed(repository: str, error: Exception) -> PublishError:
    return PublishError(f"the Hub repository {repository} {describe_failure(error, 'published')}")


def _plan(api: "HfApi", package: Package, repository: str, private: bool) -> Plan:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
    from huggingface_hub.hf_api import RepoFile

    files: dict[str, RepoFile] = {}
    head, old_card = None, ""
    try:
        found = api.model_info(repository)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        pass
    else:
        if private and not found.private:
            raise PublishError(
                f"the Hub repository {repository} is public; make it private in its settings, or leave out --private"
            )
        head = found.sha
        tree = api.list_repo_tree(repository, revision=head)
        files = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
        if CARD_FILE in files:
            old_card = Path(api.hf_hub_download(repository, CARD_FILE, revision=head)).read_text("utf-8", "replace")
    by_hand = hand_written(old_card, f"{CARD_FILE} of the Hub repository {repository}")
    new_card = model_card(package, repository, by_hand, stated_licence(old_card))
    names = [name for name in PUBLISHED_FILES if name != CARD_FILE and (package.path / name).is_file()]
    content: dict[str, Path | bytes] = {name: package.path / name for name in names}
    content[CARD_FILE] = new_card.encode()
    changes = [_change(name, content.get(name), files.get(name)) for name in PUBLISHED_FILES]
    return Plan(repository, head, content, tuple(filter(None, changes)), (old_card, new_card))


def _change(name: str, here: Path | bytes | None, there: "RepoFile | None") -> Change | None:
    if here is None:
        # The directory's own files only: what others were put beside them is not ours to remove.
        return Change(name, "removed", there.size, None) if there else None
    size = len(here) if isinstance(here, bytes) else here.stat().st_size
    if there is None:
        return Change(name, "new", None, size)
    return None if _same(here, there) else Change(name, "changed", there.size, size)


def _same(here: Path | bytes, there: "RepoFile") -> bool:
    from huggingface_hub.utils.sha import git_hash

    if there.lfs:
        return there.lfs.sha256 == _sha256(here)
    return there.blob_id == git_hash(here if isinstance(here, bytes) else here.read_bytes())


def _commit(api: "HfApi", plan: Plan, private: bool, pull_request: bool) -> Published:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    digests = {name: _sha256(plan.content[name]) for name in ANSWERING_FILES if name in plan.content}
    if not plan.changes:
        assert plan.head
        return Published(plan, f"{api.endpoint}/{plan.repository}/commit/{plan.head}", Release(plan.head, digests))
    if plan.head is None:
        if pull_request:
            raise PublishError(f"there is no Hub repository {plan.repository} to propose changes for; leave out --pr")
        # None is what the organisation has chosen for new ones.
        api.create_repo(plan.repository, private=private or None, exist_ok=True)
    name = plan.repository.rpartition("/")[2]
    done = api.create_commit(
        plan.repository,
        [
            CommitOperationDelete(change.file)
            if change.kind == "removed"
            else CommitOperationAdd(change.file, plan.content[change.file])
            for change in plan.changes
        ],
        commit_message=f"Publish {name}: {', '.join(change.file for change in plan.changes)}",
        create_pr=pull_request,
        # Whatever was committed since then is compared first.
        parent_commit=plan.head,
    )
    if pull_request:
        return Published(plan, done.pr_url or done.commit_url, None)
    return Published(plan, done.commit_url, Release(done.oid, digests))


def _sha256(content: Path | bytes) -> str:
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256(content)
