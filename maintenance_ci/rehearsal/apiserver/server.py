"""The API server: TLS and bearer tokens in front of the store, on aiohttp."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from maintenance_ci.rehearsal.apiserver import discovery, errors
from maintenance_ci.rehearsal.apiserver.answers import begun, json_answer, stream, stream_events
from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.evictions import evict
from maintenance_ci.rehearsal.apiserver.objects import Objects
from maintenance_ci.rehearsal.apiserver.request import Request as ApiRequest
from maintenance_ci.rehearsal.apiserver.request import is_true, parse_path
from maintenance_ci.rehearsal.apiserver.rights import Action, User, is_allowed, refusal
from maintenance_ci.rehearsal.apiserver.service_accounts import find_user
from maintenance_ci.rehearsal.apiserver.views import Views
from maintenance_ci.rehearsal.apiserver.watching import watch

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from aiohttp.typedefs import Handler, Middleware

    from maintenance_ci.rehearsal.apiserver.builds_api import BuildService, PodLogs
    from maintenance_ci.rehearsal.apiserver.request import Target
    from maintenance_ci.rehearsal.apiserver.store import Store

Object = dict[str, Any]
Verb = Callable[[ApiRequest], tuple[int, Object]]

HEALTH = ("/healthz", "/livez", "/readyz")
MAX_BODY = 100 * 1024 * 1024  # bytes: binary builds upload their context
USER = web.RequestKey("user", User)
NOTED = web.RequestKey("noted", bool)
# Every token may ask for these, as on a real OpenShift.
FOR_EVERYBODY = frozenset(
    {
        ("create", "selfsubjectaccessreviews"),
        ("create", "selfsubjectrulesreviews"),
        ("list", "projects"),
        ("watch", "projects"),
    }
)


@dataclass(frozen=True)
class Request:
    """A request that came in. ``path`` has the query; ``user`` is empty where no token was known.

    ``status`` is that of the answer, 0 where the connection ended before there was one; ``size`` the bytes of its body,
    as they are sent, 0 for a stream.
    """

    method: str
    path: str
    user: str
    user_agent: str
    status: int
    watch: bool = False
    content_type: str = ""
    size: int = 0


class ApiServer:
    """Serves a store as an OpenShift API. ``users`` are found by their bearer tokens, as its ServiceAccounts are.

    ``middlewares`` stand between the token check and the answer: a place to inject faults.
    """

    def __init__(
        self,
        store: Store,
        users: Mapping[str, User],
        ssl_context: ssl.SSLContext,
        *,
        builds: BuildService | None = None,
        pods: PodLogs | None = None,
        middlewares: Sequence[Middleware] = (),
    ) -> None:
        self.store = store
        self.users = users
        self.builds = builds
        self.pods = pods
        self.requests: list[Request] = []
        self.url = ""
        self._ssl_context = ssl_context
        self._objects, self._views = Objects(store), Views(store)
        self._verbs = self._special_verbs()
        self._app = web.Application(
            client_max_size=MAX_BODY,
            middlewares=[self._record, _refuse, self._authenticate, *middlewares],
        )
        self._app.router.add_route("*", "/{path:.*}", self._serve)
        self._app.on_response_prepare.append(self._record_answer)
        # Whoever hangs up ends its watch, and cancels the build that it was uploading.
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one. Afterwards ``url`` says where."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=self._ssl_context)
        await site.start()
        self.url = f"https://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening; watches and logs end."""
        server = self._runner.server
        transports = [connection.transport for connection in server.connections] if server else []
        await self._runner.cleanup()
        # A client that keeps an idle connection would not answer the end of its TLS: it is not waited for.
        for transport in transports:
            if isinstance(transport, asyncio.Transport):
                transport.abort()
        await asyncio.sleep(0)

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = None
        try:
            response = await handler(request)
        finally:
            if response is None:
                self._note(request, 0)
        return response

    async def _record_answer(self, request: web.Request, response: web.StreamResponse) -> None:
        body = response.body if isinstance(response, web.Response) else None
        self._note(request, response.status, len(body) if isinstance(body, bytes | bytearray) else 0)

    def _note(self, request: web.Request, status: int, size: int = 0) -> None:
        """Keep account of a request, once: when its answer begins, or when it ends without one."""
        if NOTED in request:
            return
        request[NOTED] = True
        user, headers = request.get(USER), request.headers
        self.requests.append(
            Request(
                request.method,
                request.path_qs,
                user.name if user else "",
                headers.get("User-Agent", ""),
                status,
                watch=is_true(request.query.get("watch")),
                content_type=headers.get("Content-Type", ""),
                size=size,
            )
        )

    @web.middleware
    async def _authenticate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        user = self.users.get(token) or find_user(self.store, token)
        if user is not None:
            request[USER] = user
        elif request.path not in (*HEALTH, "/version"):
            raise errors.unauthorized()
        return await handler(request)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.path in HEALTH:
            return web.Response(text="ok")
        target = parse_path(request.path)
        if target is None:
            return _discovery(request)
        return await self._serve_resource(request, target)

    async def _serve_resource(self, request: web.Request, target: Target) -> web.StreamResponse:
        user, action = request[USER], target.action(request.method, request.query)
        if (action.verb, action.resource) not in FOR_EVERYBODY and not is_allowed(user, action):
            raise errors.forbidden(refusal(user, action), target.resource, target.name)
        if target.resource is None:
            raise errors.unknown_path()
        api_request = ApiRequest(
            user=user,
            method=request.method,
            target=target,
            resource=target.resource,
            query=request.query,
            content_type=request.content_type if request.headers.get("Content-Type") else "application/json",
            body=await request.read(),
            user_agent=request.headers.get("User-Agent", ""),
        )
        if action.resource in ("buildconfigs/instantiatebinary", "builds/log"):
            return await self._serve_builds(request, api_request, action)
        if (action.verb, action.resource) == ("get", "pods/log"):
            return self._serve_pod_log(target)
        verb = self._verb(action, api_request)
        if action.verb == "watch":
            return await stream_events(request, watch(self.store, api_request))
        answer = json_answer(*verb(api_request), accepted=request.headers.get("Accept-Encoding", ""))
        for warning in api_request.warnings:
            answer.headers.add("Warning", f"299 - {json.dumps(warning)}")
        return answer

    def _verb(self, action: Action, request: ApiRequest) -> Verb:
        """What answers the request; raises ``ApiError`` 404 or 405."""
        special = self._verbs.get((action.verb, action.resource))
        if special:
            return special
        subresource = request.target.subresource
        served = {name: verbs for name, _, verbs in request.resource.subresources} | {"": request.resource.verbs}
        if subresource not in ("", "status") or subresource not in served:
            raise errors.unknown_path()
        if action.verb not in served[subresource]:
            raise errors.method_not_allowed()
        objects = self._objects
        plain: dict[str, Verb] = {
            "get": objects.get,
            "list": objects.list_all,
            "watch": objects.list_all,
            "create": objects.create,
            "update": objects.update,
            "patch": objects.patch,
            "delete": objects.delete,
            "deletecollection": objects.delete_collection,
        }
        return plain[action.verb]

    def _special_verbs(self) -> dict[tuple[str, str], Verb]:
        views = self._views
        return {
            ("create", "selfsubjectaccessreviews"): views.review_access,
            ("create", "selfsubjectrulesreviews"): views.review_rules,
            ("create", "processedtemplates"): views.process_template,
            ("get", "imagestreamtags"): views.get_tag,
            ("list", "imagestreamtags"): views.list_tags,
            ("create", "imagestreamtags"): views.create_tag,
            ("update", "imagestreamtags"): views.update_tag,
            ("patch", "imagestreamtags"): views.patch_tag,
            ("delete", "imagestreamtags"): views.delete_tag,
            ("get", "imagestreamimages"): views.get_image,
            ("get", "projects"): views.get_project,
            ("list", "projects"): views.list_projects,
            ("create", "pods/eviction"): partial(evict, self.store),
            ("get", "deployments/scale"): views.get_scale,
            ("update", "deployments/scale"): views.write_scale,
            ("patch", "deployments/scale"): views.write_scale,
        }

    async def _serve_builds(self, request: web.Request, api: ApiRequest, action: Action) -> web.StreamResponse:
        target = api.target
        if action.verb == "create":
            self.store.get("buildconfigs", target.namespace, target.name)
        elif action.verb == "get":
            self.store.get("builds", target.namespace, target.name)
        else:
            raise errors.method_not_allowed()
        if self.builds is None:
            raise errors.unknown_path()
        if action.verb == "create":
            build = await self.builds.instantiate_binary(target.namespace, target.name, api.query, api.body)
            return json_answer(201, build)
        log = self.builds.log(target.namespace, target.name, is_true(api.query.get("follow")))
        return await stream(request, await begun(log), "application/octet-stream")

    def _serve_pod_log(self, target: Target) -> web.Response:
        self.store.get("pods", target.namespace, target.name)
        if self.pods is None:
            raise errors.unknown_path()
        return web.Response(text=self.pods.container_log(target.namespace, target.name))


@web.middleware
async def _refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer refusals as ``Status`` objects."""
    try:
        return await handler(request)
    except ApiError as error:
        return json_answer(error.code, error.status)
    except web.HTTPRequestEntityTooLarge as error:
        too_large = ApiError(413, "RequestEntityTooLarge", error.text or "the request is too large")
        return json_answer(413, too_large.status)


def _discovery(request: web.Request) -> web.Response:
    path = request.path.strip("/")
    aggregated = discovery.aggregated(path) if discovery.AGGREGATED in request.headers.get("Accept", "") else None
    if aggregated is not None:
        return json_answer(200, aggregated, discovery.AGGREGATED)
    document = discovery.document(path)
    if document is None:
        raise errors.unknown_path()
    return json_answer(200, document)
