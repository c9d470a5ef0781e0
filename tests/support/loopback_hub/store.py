"""What a Hub keeps: repositories, their commits, and files by their content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class File:
    """A file of a commit."""

    content: bytes
    lfs: bool
    """Whether git holds only a pointer to it."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pointer(self) -> bytes:
        """What git holds in its place."""
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n"
        return text.encode()

    @property
    def blob_id(self) -> str:
        """Git's own hash of what it holds."""
        held = self.pointer if self.lfs else self.content
        return hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.blob_id


@dataclass(frozen=True)
class Commit:
    oid: str
    title: str
    files: Mapping[str, File]


@dataclass
class Repository:
    """A model repository; the first commit is the Hub's own."""

    name: str
    private: bool = False
    gated: bool = False
    commits: list[Commit] = field(default_factory=list)
    """Of all branches, the oldest first."""
    refs: dict[str, str] = field(default_factory=dict)
    """Commits by the names of branches, tags and pull requests."""

    def __post_init__(self) -> None:
        self.commit("main", "initial commit", {".gitattributes": File(b"*.safetensors filter=lfs\n", lfs=False)})

    def find(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag, a pull request or a hash means."""
        oid = self.refs.get(revision, revision)
        return next((commit for commit in self.commits if commit.oid == oid), None)

    def files(self, revision: str = "main") -> Mapping[str, File]:
        commit = self.find(revision)
        assert commit, revision
        return commit.files

    def commit(self, ref: str, title: str, files: Mapping[str, File]) -> Commit:
        """Put a commit onto a branch, or onto a new one."""
        told = [self.name, str(len(self.commits)), title, *(f"{name} {file.blob_id}" for name, file in files.items())]
        made = Commit(hashlib.sha1("\n".join(told).encode()).hexdigest(), title, dict(files))
        self.commits.append(made)
        self.refs[ref] = made.oid
        return made

    def put(self, files: Mapping[str, bytes], lfs: bool = False) -> Commit:
        """Commit files as somebody else would."""
        new = {name: File(content, lfs) for name, content in files.items()}
        return self.commit("main", f"put {', '.join(new)}", {**self.files(), **new})

    def tamper(self, name: str, content: bytes) -> None:
        """Replace a file's content in all commits, whose hashes stay: no Hub does that, a bad mirror could."""
        self.commits = [
            Commit(one.oid, one.title, {**one.files, name: File(content, one.files[name].lfs)})
            if name in one.files
            else one
            for one in self.commits
        ]
