"""The verbs on stored objects: get, list, create, update, patch, apply, delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver import apply, errors, kinds, patches, selectors
from maintenance_ci.rehearsal.apiserver.catalogue import RESOURCES
from maintenance_ci.rehearsal.apiserver.pages import NEWEST, Token, take_page
from maintenance_ci.rehearsal.apiserver.request import is_true, number
from maintenance_ci.rehearsal.apiserver.rights import Action, is_allowed, refusal
from maintenance_ci.rehearsal.apiserver.store import Owner, now

if TYPE_CHECKING:
    from collections.abc import Callable

    from maintenance_ci.rehearsal.apiserver.pages import Page
    from maintenance_ci.rehearsal.apiserver.request import Request
    from maintenance_ci.rehearsal.apiserver.store import Store

Object = dict[str, Any]
Answer = tuple[int, Object]

# Kinds whose PUT must say which version it replaces.
NEEDS_VERSION = frozenset({"routes", "leases", "buildconfigs", "builds", "imagestreams"})


@dataclass(frozen=True)
class Objects:
    """The verbs on what the store holds. All raise ``ApiError``."""

    store: Store

    def get(self, request: Request) -> Answer:
        """One object."""
        target = request.target
        return 200, self.store.get(target.plural, target.namespace, target.name)

    def list_all(self, request: Request) -> Answer:
        """The objects of a namespace, or of all, that fit the selectors: all, or a page of them."""
        query, namespace = request.query, request.target.namespace or None
        version, limit = query.get("resourceVersion", ""), number(request.query, "limit", 0)
        if "continue" not in query:
            # Version 0 is whatever the server has at hand, and that always is all of it.
            objects = self.store.list(request.resource.plural, namespace)
            page = take_page(objects, matcher(request), limit=0 if version == "0" else limit)
            return 200, as_page(request, page, self.store.resource_version)
        if version not in ("", "0"):
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        token = Token.decode(query["continue"])
        at = self.store.resource_version if token.version == NEWEST else token.version
        try:
            objects = self.store.list_at(at, request.resource.plural, namespace)
        except errors.ApiError as too_old:
            raise errors.expired_list(Token(NEWEST, token.start).encode()) from too_old
        return 200, as_page(request, take_page(objects, matcher(request), start=token.start, limit=limit), at)

    def create(self, request: Request) -> Answer:
        """A new object."""
        obj = request.object()
        self._admit_create(request, obj)
        return 201, self.store.create(request.resource.plural, obj, manager=request.manager, dry_run=request.dry_run)

    def update(self, request: Request) -> Answer:
        """An object replaced by another."""
        obj, target = request.object(), request.target
        live = self.store.get(target.plural, target.namespace, target.name)
        if target.plural in NEEDS_VERSION and not obj["metadata"].get("resourceVersion"):
            cause = errors.Cause(
                "FieldValueInvalid", "Invalid value: 0x0: must be specified for an update", "metadata.resourceVersion"
            )
            raise errors.invalid_resource(request.resource, target.name, [cause])
        return 200, self._replace(request, obj, live)

    def patch(self, request: Request) -> Answer:
        """An object changed by a patch, or applied."""
        if request.content_type == apply.CONTENT_TYPE:
            return self._apply(request)
        target = request.target
        live = self.store.get(target.plural, target.namespace, target.name)
        patched = patches.apply_patch(request.content_type, target.plural, live, request.parsed())
        patched.setdefault("metadata", {}).setdefault("name", target.name)
        if request.resource.namespaced:
            patched["metadata"]["namespace"] = target.namespace
        return 200, self._replace(request, patched, live)

    def delete(self, request: Request) -> Answer:
        """An object taken away."""
        target, resource = request.target, request.resource
        live = self.store.get(target.plural, target.namespace, target.name)
        options = delete_options(request)
        check_preconditions(request, live, options)
        dry_run = request.dry_run or "All" in options.get("dryRun", [])
        grace = options.get("gracePeriodSeconds")
        if "gracePeriodSeconds" in request.query:
            grace = number(request.query, "gracePeriodSeconds", 0)
        gone = self.store.delete(target.plural, target.namespace, target.name, grace=grace, dry_run=dry_run)
        if target.plural in ("pods", "namespaces", "serviceaccounts", "services"):
            return 200, gone
        return 200, success(
            {"name": target.name, "group": resource.group, "kind": target.plural, "uid": live["metadata"]["uid"]}
        )

    def delete_collection(self, request: Request) -> Answer:
        """All objects that fit the selectors taken away."""
        found = self._selected(request)
        for obj in found:
            metadata = obj["metadata"]
            self.store.delete(
                request.resource.plural, metadata.get("namespace", ""), metadata["name"], dry_run=request.dry_run
            )
        return 200, as_list(request, found, self.store.resource_version)

    def _selected(self, request: Request) -> list[Object]:
        fits = matcher(request)
        objects = self.store.list(request.resource.plural, request.target.namespace or None)
        return [obj for obj in objects if fits(obj)]

    def _apply(self, request: Request) -> Answer:
        if not request.query.get("fieldManager"):
            message = (
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
            )
            raise errors.ApiError(422, "Invalid", message, {"group": "meta.k8s.io", "kind": "PatchOptions"})
        wanted, target = request.object(), request.target
        if wanted["metadata"].get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        live = self.store.find(target.plural, target.namespace, target.name)
        merged, entries = apply.merge(
            target.plural,
            live,
            wanted,
            manager=request.manager,
            force=is_true(request.query.get("force")),
            time=now(),
            subresource=target.subresource,
        )
        owner = Owner(request.manager, target.subresource, entries)
        if live is not None:
            self._admit(request, merged, live, strictly=wanted)
            return 200, self.store.update_owned(target.plural, merged, owner, dry_run=request.dry_run)
        self._admit_create(request, merged)
        return 201, self.store.create_owned(target.plural, merged, owner, dry_run=request.dry_run)

    def _replace(self, request: Request, obj: Object, live: Object) -> Object:
        self._admit(request, obj, live, strictly=obj)
        return self.store.update(
            request.resource.plural,
            obj,
            manager=request.manager,
            subresource=request.target.subresource,
            dry_run=request.dry_run,
        )

    def _admit_create(self, request: Request, obj: Object) -> None:
        target = request.target
        creation = Action("create", target.group, target.plural, target.namespace)
        if not is_allowed(request.user, creation):  # an apply of an object that is not there yet
            raise errors.forbidden(refusal(request.user, creation), request.resource)
        if target.namespace and self.store.find("namespaces", "", target.namespace) is None:
            raise errors.not_found(RESOURCES["namespaces"], target.namespace)
        self._admit(request, obj, None, strictly=obj)

    def _admit(self, request: Request, obj: Object, live: Object | None, *, strictly: Object) -> None:
        """Refuse unknown fields where that was asked for, else warn of them; refuse what the user may not change."""
        resource, target = request.resource, request.target
        unknown = [f'unknown field "{name}"' for name in kinds.unknown_fields(resource.plural, strictly, self.store)]
        match request.query.get("fieldValidation"):
            case "Strict" if unknown:
                raise errors.bad_request(
                    f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                    f"strict decoding error: {', '.join(unknown)}"
                )
            case "Warn" | None:
                request.warnings.extend(unknown)
        if target.subresource:
            return

        def may(verb: str, qualified: str) -> bool:
            return is_allowed(request.user, Action(verb, resource.group, qualified, target.namespace))

        causes = kinds.check_rights(resource.plural, obj, live, may)
        if causes:
            raise errors.invalid(resource, obj["metadata"].get("name", ""), causes)


def matcher(request: Request) -> Callable[[Object], bool]:
    """What the selectors (and, for a watch of one object, the name) let through."""
    labels = selectors.label_matcher(request.query.get("labelSelector", ""))
    fields = selectors.field_matcher(request.resource.plural, request.query.get("fieldSelector", ""))
    return lambda obj: labels(obj) and fields(obj)


def as_list(request: Request, objects: list[Object], resource_version: int) -> Object:
    """A list as the server writes it: the items say neither kind nor version."""
    items = [{name: value for name, value in obj.items() if name not in ("kind", "apiVersion")} for obj in objects]
    return {
        "kind": f"{request.resource.kind}List",
        "apiVersion": request.resource.group_version,
        "metadata": {"resourceVersion": str(resource_version)},
        "items": items,
    }


def as_page(request: Request, page: Page, resource_version: int) -> Object:
    """A page of a list: it says how to go on, and, where all objects are meant, how many are left."""
    answer = as_list(request, list(page.objects), resource_version)
    if page.end:
        answer["metadata"]["continue"] = Token(resource_version, f"{page.end}\0").encode()
        if not (request.query.get("labelSelector") or request.query.get("fieldSelector")):
            answer["metadata"]["remainingItemCount"] = page.left
    return answer


def delete_options(request: Request) -> Object:
    """The options in the body of a delete; none in an empty one."""
    options = request.parsed() if request.body else {}
    if not isinstance(options, dict):
        raise errors.bad_request("the body of the request is no DeleteOptions")
    return options


def check_preconditions(request: Request, live: Object, options: Object) -> None:
    """Refuse to delete another object than the one that was meant: ``ApiError`` 409."""
    wanted = options.get("preconditions") or {}
    for field, what in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        actual = live["metadata"][field]
        if wanted.get(field) not in (None, actual):
            raise errors.precondition_failed(request.resource, request.target.name, what, wanted[field], actual)


def success(details: Object | None = None) -> Object:
    """The ``Status`` of something that went well."""
    body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return body | ({"details": {name: value for name, value in details.items() if value}} if details else {})
