"""Who may read and write what, and the answers to who may not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from support.loopback_hub.messages import RefusalError, Request
from support.loopback_hub.store import Commit, Repository

Role = Literal["read", "write"]


@dataclass(frozen=True)
class User:
    name: str
    roles: Mapping[str, Role] = field(default_factory=dict)
    """By organisation."""

    def may(self, role: Role, repository: str) -> bool:
        given = self.roles.get(repository.partition("/")[0])
        return given == "write" or given == role


class Access:
    """Repositories as those who ask may see them."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.users: dict[str, User] = {}
        """By token."""

    def user(self, request: Request) -> User | None:
        """Who asks; None for somebody who has not logged in."""
        if request.token is None:
            return None
        if request.token not in self.users:
            raise RefusalError(401, "Invalid credentials in Authorization header")
        return self.users[request.token]

    def read(self, request: Request, name: str) -> Repository:
        user, repository = self.user(request), self.repositories.get(name)
        if repository is None or (repository.private and not (user and user.may("read", name))):
            # Nobody learns what private repositories there are.
            raise RefusalError(404 if user else 401, "Repository not found", "RepoNotFound")
        return repository

    def read_files(self, request: Request, name: str) -> Repository:
        """As `read`; of a gated repository everybody sees that it is there, and not what is in its files."""
        repository, user = self.read(request, name), self.user(request)
        if repository.gated and not (user and user.may("read", name)):
            raise RefusalError(403 if user else 401, f"Access to model {name} is restricted", "GatedRepo")
        return repository

    def write(self, request: Request, name: str, propose: bool = False) -> Repository:
        """A repository that may be changed, or only to propose changes to it."""
        repository = self.read(request, name)
        self.must_write(request, name, propose)
        return repository

    def must_write(self, request: Request, name: str, propose: bool = False) -> None:
        user = self.user(request)
        if user is None:
            raise RefusalError(401, "Invalid username or password.")
        if not propose and not user.may("write", name):
            raise RefusalError(403, f"You don't have the rights to write to {name}")


def no_token(request: Request) -> None:
    """The storage belongs to somebody else: its addresses are signed, and a token must not get there."""
    if request.headers.get("Authorization"):
        raise RefusalError(400, "Only one auth mechanism allowed")


def commit_of(repository: Repository, revision: str) -> Commit:
    commit = repository.find(revision)
    if commit is None:
        raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit
