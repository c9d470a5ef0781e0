"""`zoo publish`: publishes a model directory as a repository on the Hub, in one commit of the changes.

Files that were uploaded before an interruption are not sent again, and commits are atomic. Each attempt compares with
the current state of the repository, so that the next one recognises a commit whose response was lost.
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
"""Seconds before each retry of a transient failure."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """FileChange to one file of a repository."""

    file: str
    kind: Literal["new", "changed", "removed"]
    before: int | None
    """Size in bytes on the Hub."""
    after: int | None
    """Size in bytes here."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes that publishing would make."""

    repository: str
    head: str | None
    """Commit that the plan is based on; None if the repository does not exist."""
    content: Mapping[str, Path | bytes]
    """Content of all files to publish, by name."""
    changes: tuple[FileChange, ...]
    card: tuple[str, str]
    """The card on the Hub and the new one."""


@dataclass(frozen=True, slots=True)
class Published:
    """Result of publishing."""

    plan: Plan
    url: str
    """URL of the commit or the pull request."""
    release: Release | None
    """Entry for `releases.json`; None for a pull request."""


def plan_publishing(package: Package, repository: str, private: bool = False) -> Plan:
    """Compare a model directory with its repository; nothing is changed.

    Arguments:
        package: the model directory.
        repository: `ORG/NAME`.
        private: whether the repository must be private.

    Raises:
        PublishError: the Hub cannot be reached, or the repository must be private and is public.
        PackageError: the model directory is not valid, or the card on the Hub was not written by the zoo.
    """
    try:
        return _plan(_api(), package, repository, private)
    except ZooError:
        raise
    except Exception as error:  # from huggingface_hub, its HTTP library or the system, without a common base class
        raise _failed(repository, error) from error


def publish(
    package: Package,
    repository: str,
    private: bool = False,
    pull_request: bool = False,
    waits: Sequence[float] = RETRY_DELAYS,
) -> Published:
    """Update a repository to the state of a model directory, creating it if necessary.

    Arguments:
        package, repository: as above.
        private: whether a new repository is private.
        pull_request: whether the commit is proposed as a pull request.
        waits: seconds before each retry.

    Raises:
        PublishError: publishing failed; with reason and remedy.
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
            # Retrying a pull request whose response was lost would open a second one.
            if wait is None or pull_request or not is_transient(error):
                raise _failed(repository, error) from error
            time.sleep(wait)
        else:
            # An earlier attempt may have succeeded, with only its response lost.
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


def _change(name: str, here: Path | bytes | None, there: "RepoFile | None") -> FileChange | None:
    if here is None:
        # Only files of a model directory: others in the repository are not ours to remove.
        return FileChange(name, "removed", there.size, None) if there else None
    size = len(here) if isinstance(here, bytes) else here.stat().st_size
    if there is None:
        return FileChange(name, "new", None, size)
    return None if _same(here, there) else FileChange(name, "changed", there.size, size)


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
            raise PublishError(
                f"the Hub repository {plan.repository} does not exist, so --pr cannot propose changes; leave out --pr"
            )
        # None selects the organisation's default visibility.
        api.create_repo(plan.repository, private=private or None, exist_ok=True)
    name = plan.repository.rpartition("/")[2]
    # Not `upload_folder`: the card is made for the repository, and is not that of the directory.
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
        # Fails if another commit came first, with which the next attempt then compares.
        parent_commit=plan.head,
    )
    if pull_request:
        return Published(plan, done.pr_url or done.commit_url, None)
    return Published(plan, done.commit_url, Release(done.oid, digests))


def _sha256(content: Path | bytes) -> str:
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256(content)
