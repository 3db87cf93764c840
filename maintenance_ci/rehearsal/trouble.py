"""Trouble on demand: what goes wrong between the jobs and the cluster, or GitLab, at a chosen request.

One trouble is one line, ``[gitlab|ours|helm] [METHOD] [PATH[$]] [#N]: EFFECT [ARGUMENT] [after] [xN|always]``:

    PATCH routes/shop: 503              the first PATCH of a path that contains routes/shop is answered 503
    #7: reset after                     the 7th request takes effect, and its answer is lost
    DELETE routes/shop: rewrite         somebody else writes Route shop between our read and our deletion
    ours DELETE routes/shop$: kill      the job is killed at its first DELETE of a path that ends in routes/shop
    helm PATCH services: kill after     job and Helm are killed when Helm's first such request has taken effect
    gitlab: 429 x2                      GitLab's first two answers are 429
    GET endpointslices: delete pods/maintenance-page always

``gitlab``: of the requests to GitLab; ``ours``: of the jobs' own to the cluster; ``helm``: of Helm's.

Effects: a status (``503``), ``delay SECONDS``, ``drip``, ``silence``, ``reset``, ``sign-in`` (GitLab), ``html``;
``rewrite [PLURAL/NAME]``, another writer; ``delete PLURAL/PREFIX``, which stops Pods or takes anything else away;
``forget``, by which the cluster has no past any more: a list or a watch that was to go on is answered 410;
``fail-build``; ``kill``, which ends the job, and what it runs, without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from maintenance_ci.rehearsal.apiserver.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiohttp.typedefs import Handler

    from maintenance_ci.rehearsal.apiserver.store import Object, Store
    from maintenance_ci.rehearsal.builds.builds import Builds

# GitLab itself answers where this is None.
Answer = web.StreamResponse | None

FOR_GOOD = 1_000_000
# Seconds of silence: longer than any time limit of a client, and yet an end.
SILENCE = 600.0
DRIP = 0.2  # seconds from one byte to the next
RETRY_AFTER = "1"  # seconds, of a 429 or 503
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CHANGES = ("rewrite", "delete", "forget", "fail-build")  # of the cluster: the request itself is answered as ever
EFFECTS = ("delay", "drip", "silence", "reset", "sign-in", "html", *CHANGES, "kill")
# How the User-Agent of each begins.
CLIENTS = {"ours": "maintenance-ci", "helm": "Helm/"}
FORM = "[gitlab|ours|helm] [METHOD] [PATH[$]] [#N]: EFFECT [ARGUMENT] [after] [xN|always]"
LINE = re.compile(
    r"((?P<whose>gitlab|ours|helm)(?=[\s:#]))?\s*"
    rf"(?P<method>{'|'.join(METHODS)})?\s*"
    r"(?P<path>[^\s#:]\S*?)?\s*"
    r"(#(?P<number>\d+))?\s*:\s*"
    rf"(?P<effect>[1-5]\d\d|{'|'.join(EFFECTS)})"
    r"(\s+(?P<argument>(?!after\b|always\b|x\d)\S+))?"
    r"(?P<after>\s+after)?"
    r"(\s+(x(?P<times>\d+)|(?P<always>always)))?"
)


@dataclass(frozen=True)
class Trouble:
    """One thing that goes wrong.

    Attributes:
        effect: a status code in digits, or one of `EFFECTS`.
        argument: the effect's own: seconds, or an object as ``PLURAL/NAME``.
        gitlab: it befalls GitLab, not the cluster.
        method: of the requests that it may befall; empty for every one.
        path: what their path, with its query, contains; with a ``$`` at its end, what it ends in.
        first: the number of the first such request that it befalls, counted from 1.
        times: how many it befalls from there on.
        after: the request takes effect first.
        client: whose requests to the cluster, a key of `CLIENTS`; empty for everybody's.
    """

    effect: str
    argument: str = ""
    gitlab: bool = False
    method: str = ""
    path: str = ""
    first: int = 1
    times: int = 1
    after: bool = False
    client: str = ""

    def __str__(self) -> str:
        """Return the line that it is written by."""
        whose = "gitlab" if self.gitlab else self.client
        which = (whose, self.method, self.path, f"#{self.first}" if self.first > 1 else "")
        times = "always" if self.times == FOR_GOOD else f"x{self.times}" if self.times > 1 else ""
        what = (self.effect, self.argument, "after" if self.after else "", times)
        return f"{' '.join(filter(None, which))}: {' '.join(filter(None, what))}"

    def concerns(self, *, gitlab: bool, method: str, path: str, user_agent: str = "") -> bool:
        """Say whether it may befall such a request."""
        return (
            self.gitlab == gitlab
            and self.method in ("", method)
            and (path.endswith(self.path[:-1]) if self.path.endswith("$") else self.path in path)
            and user_agent.startswith(CLIENTS.get(self.client, ""))
        )


def parse_trouble(line: str) -> Trouble:
    """Read one line.

    Raises:
        ValueError: it is no trouble that we know; the message says how one is written.
    """
    found = LINE.fullmatch(line.strip())
    if found is None or (found["argument"] and found["effect"] not in ("delay", "rewrite", "delete")):
        raise ValueError(f"this is no trouble: {line!r}; one is written {FORM}")
    if found["effect"] == "delay" and not re.fullmatch(r"\d+(\.\d+)?", found["argument"] or ""):
        raise ValueError("delay needs its seconds: delay 2.5")
    if found["effect"] == "delete" and "/" not in (found["argument"] or ""):
        raise ValueError("delete needs an object: delete pods/maintenance-page")
    return Trouble(
        effect=found["effect"],
        argument=found["argument"] or "",
        gitlab=found["whose"] == "gitlab",
        method=found["method"] or "",
        path=found["path"] or "",
        first=int(found["number"] or 1),
        times=FOR_GOOD if found["always"] else int(found["times"] or 1),
        after=bool(found["after"]),
        client=found["whose"] if found["whose"] in CLIENTS else "",
    )


class Troubles:
    """The troubles of one cluster, waiting for their requests.

    Attributes:
        met: those whose request came, with that request.
        kill: ends the job, for ``kill``; set by whoever runs jobs, for instance by `may_kill`. None while none runs.
    """

    def __init__(self, store: Store, builds: Builds, namespace: str, troubles: Iterable[Trouble] = ()) -> None:
        self.met: list[tuple[Trouble, str]] = []
        self.kill: Callable[[], object] | None = None
        self._store, self._builds, self._namespace = store, builds, namespace
        self._seen: dict[Trouble, int] = dict.fromkeys(troubles, 0)
        self._true: set[Trouble] = set()

    @property
    def never(self) -> dict[Trouble, int]:
        """Those that never came true, with the number of requests that they were written for."""
        return {trouble: seen for trouble, seen in self._seen.items() if trouble not in self._true}

    def add(self, trouble: Trouble) -> None:
        """Let it happen from now on."""
        self._seen[trouble] = 0

    def may_kill(self, group: int) -> None:
        """Let ``kill`` end that process group from now on."""
        self.kill = functools.partial(_kill, group)

    def clear(self) -> None:
        """Let nothing happen any more."""
        self._seen.clear()

    @web.middleware
    async def in_cluster(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Stand before the API server."""
        trouble = self._due(request, gitlab=False)
        answer = await self._befall(trouble, request, handler) if trouble else await handler(request)
        assert answer is not None
        return answer

    async def in_gitlab(self, request: web.Request) -> web.StreamResponse | None:
        """Answer in GitLab's place, or return None: the fault of an `EmbeddedGitLab`."""

        async def gitlab(_: web.Request) -> None:
            return None

        trouble = self._due(request, gitlab=True)
        return None if trouble is None else await self._befall(trouble, request, gitlab)

    def _due(self, request: web.Request, *, gitlab: bool) -> Trouble | None:
        """Count the request for every trouble that it concerns, and return the first that befalls it."""
        due = None
        for trouble in self._seen:
            user_agent = request.headers.get("User-Agent", "")
            if trouble.concerns(gitlab=gitlab, method=request.method, path=request.path_qs, user_agent=user_agent):
                self._seen[trouble] += 1
                if due is None and 0 <= self._seen[trouble] - trouble.first < trouble.times:
                    due = trouble
        if due is not None:
            self.met.append((due, f"{request.method} {request.path_qs}"))
        return due

    async def _befall(
        self, trouble: Trouble, request: web.Request, handler: Callable[[web.Request], Awaitable[Answer]]
    ) -> Answer:
        taken = await self._take_effect(trouble, request, handler) if trouble.after else None
        if taken is not None and taken.status >= 400:
            return taken
        if trouble.effect in (*CHANGES, "delay"):
            if trouble.effect == "delay":
                await asyncio.sleep(float(trouble.argument))
            if trouble.effect == "delay" or self._change_cluster(trouble, request):
                self._true.add(trouble)
            return taken or await handler(request)
        self._true.add(trouble)
        return await self._answer(trouble, request)

    async def _answer(self, trouble: Trouble, request: web.Request) -> web.StreamResponse:
        """Answer in the server's place."""
        match trouble.effect:
            case "drip":
                return await _drip(request)
            case "silence":
                await asyncio.sleep(SILENCE)
                return _reset(request)
            case "reset":
                return _reset(request)
            case "kill":
                if self.kill is not None:
                    self.kill()
                return _reset(request)
            case "sign-in":
                raise web.HTTPFound(f"{request.scheme}://{request.host}/users/sign_in")
            case "html":
                page = "<!DOCTYPE html><html><body>A proxy says no</body></html>"
                return web.Response(text=page, content_type="text/html")
        return _refused(int(trouble.effect))

    async def _take_effect(
        self, trouble: Trouble, request: web.Request, handler: Callable[[web.Request], Awaitable[Answer]]
    ) -> Answer:
        """Let the request take effect; one that was refused had none, and the trouble waits for the next."""
        refused = True
        try:
            answer = await handler(request)
            refused = answer is not None and answer.status >= 400
        finally:
            if refused and trouble in self._seen:
                self._seen[trouble] -= 1
                self.met.pop()
        return answer

    def _change_cluster(self, trouble: Trouble, request: web.Request) -> bool:
        """Change it, and say whether there was anything to change."""
        if trouble.effect == "fail-build":
            self._builds.fail_next = "the rehearsal fails this build"
            return True
        if trouble.effect == "forget":
            self._store.forget()
            return True
        plural, _, name = (trouble.argument or "/".join(request.path.split("/")[-2:])).partition("/")
        if trouble.effect == "rewrite":
            one = self._store.find(plural, self._namespace, name)
            if one is not None:
                self._store.update(plural, _rewritten(one), manager="somebody-else")
            return one is not None
        names = [there["metadata"]["name"] for there in self._store.list(plural, self._namespace)]
        concerned = [found for found in names if found.startswith(name)]
        for found in concerned:
            self._store.delete(plural, self._namespace, found)
        return bool(concerned)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended since: what befell was somebody else's request
        os.killpg(group, signal.SIGKILL)


def _rewritten(found: Object) -> Object:
    """Return the object as another writer leaves it: with an annotation more."""
    metadata = found["metadata"]
    note = {"rehearsal/written-by": f"somebody-else-{metadata['resourceVersion']}"}
    return found | {"metadata": metadata | {"annotations": (metadata.get("annotations") or {}) | note}}


async def _drip(request: web.Request) -> web.StreamResponse:
    """Answer with a byte now and then, of a body that is announced as large."""
    answer = web.StreamResponse(headers={"Content-Length": "100000", "Content-Type": "application/json"})
    await answer.prepare(request)
    for _ in range(int(SILENCE / DRIP)):
        await answer.write(b" ")
        await asyncio.sleep(DRIP)
    return answer


def _reset(request: web.Request) -> web.StreamResponse:
    """Cut the connection: what is answered afterwards goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


def _refused(status: int) -> web.StreamResponse:
    error = ApiError(status, "InternalError", f"the rehearsal answers {status} here")
    headers = {"Retry-After": RETRY_AFTER} if status in (429, 503) else None
    return web.json_response(error.status, status=status, headers=headers)
