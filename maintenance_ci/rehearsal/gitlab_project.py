"""What the embedded GitLab holds: projects with their files, and the tokens that may see or change them."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

# Which scopes let a token do what (GitLab's doc/api/repository_files.md; listing files is no matter of a repository).
API = frozenset({"api"})
READ_API = API | {"read_api"}
READ_REPOSITORY = READ_API | {"read_repository"}


class RefusedError(Exception):
    """GitLab's answer to what it does not do: a status, and a JSON document that says why."""

    def __init__(self, status: int, body: dict[str, str]) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body


@dataclass(frozen=True)
class Commit:
    """One commit of one file."""

    branch: str
    path: str
    message: str


@dataclass
class Project:
    """A private project. Its files may be changed while GitLab runs.

    Attributes:
        path: with its namespace, as in ``team/route-templates``.
        id: its number.
        branches: the files (path to content) of each branch, tag or commit; none where the repository is empty.
        default_branch: what is read where no ``ref`` is asked for.
        job_token_allowlist: paths of the projects whose job tokens may read this one.
        protected: the branches that nobody may push to.
        commits: what was committed meanwhile, oldest first.
    """

    path: str
    id: int
    branches: MutableMapping[str, MutableMapping[str, bytes]]
    default_branch: str = "main"
    job_token_allowlist: set[str] = field(default_factory=set)
    protected: set[str] = field(default_factory=set)
    commits: list[Commit] = field(default_factory=list)

    def read(self, path: str, ref: str) -> bytes:
        """Return a file's content."""
        files = self._files(ref)
        if files is None:
            raise RefusedError(404, {"message": "404 Commit Not Found"})
        if path not in files:
            raise RefusedError(404, {"message": "404 File Not Found"})
        return files[path]

    def last_commit(self, ref: str, path: str) -> str:
        """Return the identifier of the commit that changed a file last: one for each content that it had."""
        return hashlib.sha1(f"{path}\0".encode() + self.read(path, ref), usedforsecurity=False).hexdigest()

    def tree(self, ref: str, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
        """Return the entries of a folder, as GitLab lists them."""
        files = self._files(ref)
        if files is None:
            raise RefusedError(404, {"message": "404 Tree Not Found"})
        below = f"{folder.strip('/')}/" if folder.strip("/") else ""
        found = {}
        for path in files:
            parts = path.removeprefix(below).split("/") if path.startswith(below) else []
            for depth in range(1, len(parts) + 1 if recursive else min(len(parts), 1) + 1):
                found[below + "/".join(parts[:depth])] = "blob" if depth == len(parts) else "tree"
        if below and not found:
            raise RefusedError(404, {"message": "404 invalid revision or path Not Found"})
        return [
            {"id": hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest(), "name": path.rpartition("/")[2],
             "type": kind, "path": path, "mode": "100644" if kind == "blob" else "040000"}
            for path, kind in sorted(found.items())
        ]  # fmt: skip

    def commit(
        self, path: str, content: bytes, *, branch: str, message: str, create: bool, last_commit: str | None
    ) -> None:
        """Create or update a file by one commit."""
        if branch in self.protected:
            raise RefusedError(400, {"message": "You are not allowed to push into this branch"})
        if self.branches and branch not in self.branches:
            raise RefusedError(400, {"message": "You can only create or edit files when you are on a branch"})
        files = self.branches.setdefault(branch, {})
        if create and path in files:
            raise RefusedError(400, {"message": "A file with this name already exists"})
        if not create:
            self._check_update(files, path, branch, last_commit)
        files[path] = content
        self.commits.append(Commit(branch, path, message))

    def _check_update(self, files: MutableMapping[str, bytes], path: str, branch: str, last_commit: str | None) -> None:
        if path not in files:
            raise RefusedError(400, {"message": "A file with this name doesn't exist"})
        if last_commit not in (None, self.last_commit(branch, path)):
            words = "You are attempting to update a file that has changed since you started editing it."
            raise RefusedError(400, {"message": words})

    def _files(self, ref: str) -> MutableMapping[str, bytes] | None:
        return self.branches.get(self.default_branch if ref == "HEAD" else ref)


@dataclass(frozen=True)
class Token:
    """A personal or project access token.

    Attributes:
        value: the secret.
        projects: paths of the projects that its owner may read.
        scopes: what the token is for.
        pushes: whether its role there is Developer or higher.
    """

    value: str
    projects: frozenset[str]
    scopes: frozenset[str] = field(default=API, kw_only=True)
    pushes: bool = field(default=True, kw_only=True)


@dataclass(frozen=True)
class JobToken(Token):
    """The token of a running job: ``projects`` are those that whoever started the job may read.

    Attributes:
        project: path of the project whose job it is.
    """

    project: str
