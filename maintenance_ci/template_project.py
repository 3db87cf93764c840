"""The GitLab project that holds the Routes' templates. The only importer of python-gitlab."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import gitlab
import requests

from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError

if TYPE_CHECKING:
    from pathlib import Path

# Seconds for each answer: python-gitlab has no limit of its own.
TIMEOUT = 20.0
# Seconds between the tries where GitLab is away or too busy.
PAUSES = (0.5, 1.0, 2.0)
# Bytes. A chunk is waited for in full, and the clock looked at after it.
CHUNK, MAX_TEMPLATE = 64, 1024 * 1024


class _HomeSession(requests.Session):
    """A session that follows no redirect to another address: GitLab's tokens are headers, which would go along."""

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        if self.should_strip_auth(str(response.request.url), str(prepared_request.url)):
            raise MaintenanceError(
                "GitLab redirects to another address, which was not followed.", "Check CI_SERVER_URL."
            )
        super().rebuild_auth(prepared_request, response)


class TemplateProject:
    """A project of a GitLab, read with a job token or an access token.

    Args:
        url: the GitLab's address.
        project: the project's path or number.
        ref: branch, tag or commit; the default branch where None.
        job_token: the job's own token; used where there is no ``private_token``.
        private_token: an access token with ``read_repository``.
        ca: file of the CA that the GitLab's certificate comes from; the system's where None.
    """

    def __init__(
        self,
        url: str,
        project: str,
        *,
        ref: str | None = None,
        job_token: str | None = None,
        private_token: str | None = None,
        ca: Path | None = None,
    ) -> None:
        self._project, self._ref = project, ref
        self._gitlab = gitlab.Gitlab(
            url,
            private_token=private_token,
            job_token=None if private_token else job_token,
            ssl_verify=str(ca) if ca else True,
            timeout=TIMEOUT,
            session=_HomeSession(),
        )

    def read(self, path: str) -> str:
        """Return the text of the file at ``path``.

        Raises:
            MaintenanceError: there is no such file or project, or it is no text.
            ForbiddenError: the token is refused.
            TryAgainError: GitLab cannot be reached, or fails.
        """
        content = self._try_again_soon(path)
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise MaintenanceError(
                f"The template {path} is not text.", "Correct it in the template project."
            ) from error

    def _try_again_soon(self, path: str) -> bytes:
        """Fetch; try again what is transient: python-gitlab's own retries wait as long as a server tells them."""
        for pause in PAUSES:
            try:
                return self._fetch(path)
            except TryAgainError:
                time.sleep(pause)
        return self._fetch(path)

    def _fetch(self, path: str) -> bytes:
        files = self._gitlab.projects.get(self._project, lazy=True).files
        began, content = time.monotonic(), b""
        try:
            # HEAD is the default branch, for every version of GitLab.
            for chunk in files.raw(
                path, ref=self._ref or "HEAD", streamed=True, iterator=True, chunk_size=CHUNK, obey_rate_limit=False
            ):
                content += chunk
                if len(content) > MAX_TEMPLATE or time.monotonic() - began > TIMEOUT:
                    raise MaintenanceError(
                        f"The template {path} is over {MAX_TEMPLATE} bytes, or takes over {TIMEOUT:.0f} s.",
                        "Check ROUTE_TEMPLATES_PROJECT and ROUTE_TEMPLATE_PATH.",
                    )
        except gitlab.GitlabAuthenticationError as error:
            raise ForbiddenError(
                "GitLab refuses the token (401).",
                "Check ROUTE_TEMPLATES_TOKEN; it must be allowed to read the project.",
            ) from error
        except gitlab.GitlabError as error:
            raise self._refusal(error, path) from error
        except requests.exceptions.SSLError as error:
            raise MaintenanceError(
                "GitLab's certificate cannot be verified.", "Give its CA in CI_SERVER_TLS_CA_FILE."
            ) from error
        except (requests.RequestException, OSError, ValueError) as error:
            raise TryAgainError(
                f"GitLab cannot be reached ({type(error).__name__}).", "Check CI_SERVER_URL, then run the job again."
            ) from error
        return content

    def _refusal(self, error: gitlab.GitlabError, path: str) -> MaintenanceError:
        where = f"{path} in {self._project}" + (f" at {self._ref}" if self._ref else "")
        code = error.response_code
        if code == 404:
            return MaintenanceError(
                f"The template {where} is not there, or the token may not see it (404).",
                "Check ROUTE_TEMPLATES_PROJECT, ROUTE_TEMPLATE_PATH and ROUTE_TEMPLATES_REF, "
                "and that the project lets this one's job token in.",
            )
        if code == 403:
            return ForbiddenError(f"GitLab refuses to show {where} (403).", "Give the token the right to read it.")
        if code == 429 or (code or 0) >= 500:
            return TryAgainError(f"GitLab cannot answer now (HTTP {code}).", "Run the job again.")
        return MaintenanceError(f"GitLab does not give {where} (HTTP {code}).")
