"""The GitLab project that holds the Routes' templates. The only importer of python-gitlab."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import gitlab
import requests

from maintenance_ci.cluster.network_faults import Server, may_pass
from maintenance_ci.errors import ConflictError, ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.kubernetes_yaml.reader import decode
from maintenance_ci.templates.session import BoundedGitLabSession, EndlessAnswerError, HtmlPageError
from maintenance_ci.waiting import retried

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maintenance_ci.settings.proxies import Proxy

Answer = TypeVar("Answer")

# Seconds for each answer: python-gitlab has no limit of its own.
TIMEOUT = 20.0
# Seconds between the tries where GitLab is away or too busy.
PAUSES = (0.5, 1.0, 2.0)
# Seconds for all tries together. No try begins that could last longer, so that a GitLab that hangs is named in time.
ALL_TRIES = 30.0
MAX_TEMPLATE = 1024 * 1024  # bytes
# Files of one page, the most that GitLab sends; and of all pages.
PAGE_SIZE, MAX_FILES = 100, 10_000
# python-gitlab would wait as long as a server tells it.
IMPATIENT: dict[str, Any] = {"obey_rate_limit": False}


@dataclass(frozen=True)
class File:
    """A file as it is in the project.

    Attributes:
        text: its content.
        last_commit: the last one that changed it; GitLab refuses to overwrite what has changed since.
    """

    text: str
    last_commit: str


class UnfitFileError(MaintenanceError):
    """The file is there, and cannot be a template: it is not text, or far too large. Other files may be right."""


class _NoSuchFileError(MaintenanceError):
    """The project is there, the file is not."""


class _NoSuchCommitError(MaintenanceError):
    """The project is there, the branch is not, or the repository is empty."""


# GitLab's API tells kinds of failures apart by its texts alone (lib/api/helpers.rb).
MISSING = {"404 File Not Found": _NoSuchFileError, "404 Commit Not Found": _NoSuchCommitError}
# Where it names nothing that is missing, GitLab does not know the address itself: "404 Not Found".
OBJECT_MISSING = re.compile(r"404 .+ Not Found")
PROXY_DECODES = (
    "Or a proxy in front of GitLab decodes %2F in addresses (this 404 names no project and no file): "
    "then the project's number in ROUTE_TEMPLATES_PROJECT helps, and a ROUTE_TEMPLATE_PATH without folders."
)


class TemplateProject:
    """A project of a GitLab, read with a job token or an access token, and written with an access token.

    Args:
        url: the GitLab's address; it may be below a path (``https://host/gitlab``).
        project: the project's path or number.
        ref: branch, tag or commit; the default branch where None.
        job_token: the job's own token; used where there is no ``private_token``.
        private_token: an access token. It needs the scope ``read_repository`` to read a file, ``read_api`` to list
            them, ``api`` to write one (lib/api/files.rb and repositories.rb of GitLab 18).
        ca: PEM text of the CA that the GitLab's certificate may come from, besides those of the system and of certifi.
        proxy: through which GitLab is asked; None: directly.

    Raises of every method:
        MaintenanceError: there is no such file or project, or the answer is not GitLab's.
        ForbiddenError: the token is refused.
        TryAgainError: GitLab cannot be reached, or fails.
    """

    def __init__(
        self,
        url: str,
        project: str,
        *,
        ref: str | None = None,
        job_token: str | None = None,
        private_token: str | None = None,
        ca: str | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._server = Server("GitLab", "CI_SERVER_URL", "CI_SERVER_TLS_CA_FILE", ca is not None, proxy)
        self.name, self._ref = project, ref
        # HEAD is the default branch, for every version of GitLab.
        self._reading = {"ref": ref or "HEAD", **IMPATIENT}
        self._private = private_token is not None
        self._gitlab = gitlab.Gitlab(
            url,
            private_token=private_token,
            job_token=None if private_token else job_token,
            timeout=TIMEOUT,
            session=BoundedGitLabSession(seconds=TIMEOUT, size=MAX_TEMPLATE, ca=ca, proxy=proxy),
            # Behind a proxy GitLab may believe in another address.
            keep_base_url=True,
        )

    @property
    def can_list(self) -> bool:
        """Whether the token can list files: GitLab's job tokens read single files, and do nothing else."""
        return self._private

    def read(self, path: str) -> str:
        """Return the text of the file at ``path``."""
        content = self._ask(f"the template {path}", lambda project: project.files.raw(path, **self._reading), path)
        text = _text(content, path)
        if text.lstrip().startswith("<"):
            raise _html_page(UnfitFileError, f"the template {path}")
        return text

    def read_if_there(self, path: str) -> str | None:
        """Return the text of the file at ``path``, or None where the project has no such file."""
        try:
            return self.read(path)
        except _NoSuchFileError:
            return None

    def paths(self, folder: str = "", *, recursive: bool = True) -> list[str]:
        """Return the paths of all files below ``folder``; needs an access token."""
        what, files = f"the folder {folder or '/'}", []
        for page in range(1, MAX_FILES // PAGE_SIZE + 1):
            # Page by page: the links that GitLab sends along may lead elsewhere, and the token with them.
            options = {"page": page, "per_page": PAGE_SIZE, "get_all": False, "recursive": recursive, **self._reading}
            entries = self._ask(what, partial(_entries, folder=folder, options=options))
            files += [path for path, kind in entries if kind == "blob"]
            if len(entries) < PAGE_SIZE:
                return sorted(files)
        raise MaintenanceError(
            f"{_sentence(what)} of {self.name} holds over {MAX_FILES} files.",
            "Give the templates a folder in ROUTE_TEMPLATE_PATH.",
        )

    def find(self, path: str) -> File | None:
        """Return the file at ``path``, for one who wants to write it, or None; needs an access token."""

        def look_up(project: Any) -> File:
            file = project.files.get(path, **self._reading)
            return File(_text(file.decode(), path), str(file.last_commit_id))

        try:
            return self._ask(f"the template {path}", look_up, path)
        except (_NoSuchFileError, _NoSuchCommitError):
            return None

    def write(self, path: str, text: str, message: str, *, replaces: File | None) -> str:
        """Commit ``text`` as the file at ``path``, and return the branch; needs an access token.

        ``replaces`` is the file as it was read before; None creates it.

        Raises:
            ConflictError: somebody else changed the file meanwhile.
            ForbiddenError: the token may not push to the branch.
        """
        branch = self._ref
        if not branch:
            project = partial(self._gitlab.projects.get, self.name, **IMPATIENT)
            branch = str(self._ask("the project", lambda _: project().default_branch) or "main")
        data = {"branch": branch, "content": text, "commit_message": message}
        attempts = itertools.count()

        def write(project: Any) -> None:
            if replaces is None:
                project.files.create({"file_path": path, **data}, **IMPATIENT)
            else:
                project.files.update(path, {**data, "last_commit_id": replaces.last_commit}, **IMPATIENT)

        def commit() -> None:
            # The answer of the attempt before may have been lost, and not its commit.
            if next(attempts) and (file := self.find(path)) and file.text == text:
                return
            self._ask_once(f"the template {path}", write, lambda error: self._refused_write(error, path, branch))

        retried(commit, PAUSES, within=ALL_TRIES - TIMEOUT)
        return branch

    def _ask(self, what: str, question: Callable[[Any], Answer], path: str = "") -> Answer:
        """Ask for what ``what`` names; of a file its ``path`` stands in the address."""
        # python-gitlab's own retries wait as long as a server tells them.
        ask = partial(self._ask_once, what, question, lambda error: self._refused(error, what, path))
        return retried(ask, PAUSES, within=ALL_TRIES - TIMEOUT)

    def _ask_once(
        self, what: str, question: Callable[[Any], Answer], refused: Callable[[gitlab.GitlabError], MaintenanceError]
    ) -> Answer:
        """Ask about the project; ``refused`` makes our error of python-gitlab's."""
        try:
            return question(self._gitlab.projects.get(self.name, lazy=True))
        except gitlab.GitlabError as error:
            raise refused(error) from error
        except HtmlPageError as error:
            raise _html_page(MaintenanceError, what) from error
        except EndlessAnswerError as error:
            raise UnfitFileError(
                f"{_sentence(what)} is over {MAX_TEMPLATE} bytes, or takes over {TIMEOUT:.0f} s.",
                "Check ROUTE_TEMPLATES_PROJECT and ROUTE_TEMPLATE_PATH.",
            ) from error
        except (requests.RequestException, OSError, ValueError) as error:
            raise self._server.fault(error) from error
        except (AttributeError, LookupError, TypeError) as error:  # JSON, of something that is not asked for
            raise MaintenanceError(f"GitLab answered, but not with {what}.", "Check CI_SERVER_URL.") from error

    def _refused(self, error: gitlab.GitlabError, what: str, path: str) -> MaintenanceError:
        where = f"{what} in {self.name}" + (f" at {self._ref}" if self._ref else "")
        code, message = error.response_code, _message(error)
        if code == 401:
            advice = "A job token reads files from GitLab 18.3 on: before that, give ROUTE_TEMPLATES_TOKEN."
            if self._private:
                advice = "Check ROUTE_TEMPLATES_TOKEN; it must be allowed to read the project."
            return ForbiddenError("GitLab refuses the token (401).", advice)
        if code == 403 and "insufficient_scope" in message:
            return ForbiddenError(
                f"The scope of ROUTE_TEMPLATES_TOKEN does not reach to {where} (403).",
                "Reading a file needs read_repository, listing files read_api, writing them api.",
            )
        if code == 403:
            reason = message.removeprefix("403 Forbidden").removeprefix(" - ").rstrip(".")
            advice = (
                "In the template project, under Settings > CI/CD > Job token permissions, let this project's jobs in; "
                "whoever runs the job must be able to read it, too."
            )
            if self._private:
                advice = "Give the token the right to read it."
            return ForbiddenError(f"GitLab refuses to show {where} (403){reason and f': {reason}'}.", advice)
        if code == 404:
            advice = (
                "Check ROUTE_TEMPLATES_PROJECT, ROUTE_TEMPLATE_PATH and ROUTE_TEMPLATES_REF, "
                "and that the project lets this one's job token in."
            )
            if "/" in self.name + path and not OBJECT_MISSING.fullmatch(message):
                advice = f"{advice} {PROXY_DECODES}"
            kind = MISSING.get(message, MaintenanceError)
            return kind(f"{_sentence(where)} is not there, or the token may not see it (404).", advice)
        if may_pass(code or 0):
            return TryAgainError(f"GitLab cannot answer now (HTTP {code}).", run_again=True)
        return MaintenanceError(f"GitLab does not give {where} ({f'HTTP {code}' if code else 'no answer of its API'}).")

    def _refused_write(self, error: gitlab.GitlabError, path: str, branch: str) -> MaintenanceError:
        """Return our error of a refused commit; all but the token's faults are 400, and only GitLab's text differs."""
        code, message = error.response_code, _message(error)
        if "not allowed to push" in message:
            return ForbiddenError(
                f"The branch {branch} of {self.name} is protected: the token may not push to it.",
                "Let it, or name another branch in ROUTE_TEMPLATES_REF, and merge that one.",
            )
        if "has changed since" in message or "already exists" in message:
            return ConflictError(
                f"{path} in {self.name} was changed by somebody else just now.",
                "Look at it, then run the command again.",
            )
        if "on a branch" in message:
            return MaintenanceError(f"{branch} is no branch of {self.name}.", "Name one in ROUTE_TEMPLATES_REF.")
        if code == 403 and "insufficient_scope" not in message:
            return ForbiddenError(
                f"The token may not write to {self.name} (403).", "Its role must be Developer, at the least."
            )
        if code == 400:
            return MaintenanceError(f"GitLab does not take {path} in {self.name}: {message} (HTTP 400).")
        return self._refused(error, f"the template {path}", path)


def _entries(project: Any, *, folder: str, options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return path and kind of all that is in a folder, by one page of the list."""
    return [(entry["path"], entry["type"]) for entry in project.repository_tree(folder, **options)]


def _html_page(kind: type[MaintenanceError], what: str) -> MaintenanceError:
    return kind(
        f"GitLab answered with an HTML page instead of {what}: it may be the sign-in page.",
        "Check CI_SERVER_URL, ROUTE_TEMPLATES_PROJECT, and that the token may read it.",
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _message(error: gitlab.GitlabError) -> str:
    """Return GitLab's text as one line of a length that a log bears; none for a page of HTML, which is a proxy's."""
    text = " ".join(str(error.error_message).split())[:200]
    return "" if text.startswith("<") else text


def _text(content: bytes, path: str) -> str:
    """Return a file's text, as kubectl decodes it."""
    text = decode(content)
    if content and not text:  # a byte order mark alone
        raise UnfitFileError(f"The template {path} is not text.", "Correct it in the template project.")
    return text
