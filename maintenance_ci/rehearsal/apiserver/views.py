"""Resources that are not stored as such: access reviews, processed Templates, image tags, Projects, scales."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver import errors, managed_fields
from maintenance_ci.rehearsal.apiserver.catalogue import RESOURCES
from maintenance_ci.rehearsal.apiserver.kinds import imagestreams, imagestreamtags, templates
from maintenance_ci.rehearsal.apiserver.objects import as_list, matcher, success
from maintenance_ci.rehearsal.apiserver.patches import apply_patch
from maintenance_ci.rehearsal.apiserver.rights import Action, is_allowed, review_action, rules_in
from maintenance_ci.rehearsal.apiserver.store import now

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.request import Request
    from maintenance_ci.rehearsal.apiserver.store import Store

Object = dict[str, Any]
Answer = tuple[int, Object]


@dataclass(frozen=True)
class Views:
    """What is worked out at the moment of the request. All raise ``ApiError``."""

    store: Store

    def review_access(self, request: Request) -> Answer:
        """May I? Every token may ask."""
        review = request.object()
        action = review_action(review.get("spec") or {})
        allowed = request.user.cluster_admin if action is None else is_allowed(request.user, action)
        metadata = {"managedFields": self._created_fields(request, review)}
        return 201, self._shown(request, review | {"metadata": metadata, "status": {"allowed": allowed}})

    def review_rules(self, request: Request) -> Answer:
        """What may I do in a namespace? Not recorded: as the API documents it, with RBAC as the only authorizer."""
        namespace = (request.object().get("spec") or {}).get("namespace")
        if not namespace:
            raise errors.bad_request("no namespace on request")
        status = {
            "resourceRules": rules_in(request.user, namespace),
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}] if request.user.cluster_admin else [],
            "incomplete": False,
        }
        return 201, self._shown(request, {"metadata": {}, "spec": {}, "status": status})

    def process_template(self, request: Request) -> Answer:
        """A Template with its parameters filled in."""
        template = request.object()
        processed, causes = templates.process(template)
        if causes:
            raise errors.invalid(request.resource, template["metadata"].get("name", ""), causes)
        metadata = {name: value for name, value in template["metadata"].items() if name != "managedFields"}
        processed["metadata"] = metadata | {"managedFields": self._created_fields(request, template)}
        return 201, self._shown(request, processed)

    def _shown(self, request: Request, obj: Object) -> Object:
        resource = request.resource
        ordered = {"kind": resource.kind, "apiVersion": resource.group_version} | {
            name: obj[name] for name in ("metadata", "spec", "objects", "parameters") if name in obj
        }
        return ordered | obj

    def _created_fields(self, request: Request, obj: Object) -> list[Object]:
        entries = managed_fields.after_update(
            request.resource.plural, None, obj, manager=request.manager, subresource="", time=now()
        )
        return managed_fields.dump(entries)

    def get_tag(self, request: Request) -> Answer:
        """An ImageStreamTag that has an image."""
        stream, tag = self._stream(request)
        if stream is None or imagestreams.latest_item(stream, tag) is None:
            raise errors.not_found(request.resource, request.target.name)
        return 200, self._tag_view(stream, tag)

    def list_tags(self, request: Request) -> Answer:
        """All ImageStreamTags of a namespace."""
        streams = self.store.list("imagestreams", request.target.namespace or None)
        views = [self._tag_view(stream, tag) for stream in streams for tag in imagestreamtags.tag_names(stream)]
        fits = matcher(request)
        return 200, as_list(request, [view for view in views if fits(view)], self.store.resource_version)

    def create_tag(self, request: Request) -> Answer:
        """A tag that the stream does not have yet; the stream is made where there is none."""
        wanted = request.object()
        stream, tag = self._stream(request, wanted["metadata"]["name"])
        if stream is not None and tag in imagestreamtags.tag_names(stream):
            raise errors.already_exists(request.resource, wanted["metadata"]["name"])
        return 201, self._write_tag(request, wanted)

    def update_tag(self, request: Request) -> Answer:
        """A tag set anew: 201 where the stream did not ask for it before."""
        stream, tag = self._stream(request)
        known = stream is not None and imagestreamtags.tag_of(stream, tag) is not None
        return 200 if known else 201, self._write_tag(request, request.object())

    def patch_tag(self, request: Request) -> Answer:
        """A tag changed by a patch."""
        _, live = self.get_tag(request)
        return 200, self._write_tag(
            request, apply_patch(request.content_type, request.resource.plural, live, request.parsed())
        )

    def delete_tag(self, request: Request) -> Answer:
        """A tag and its history taken from the stream."""
        stream, tag = self._stream(request)
        if stream is None or tag not in imagestreamtags.tag_names(stream):
            raise errors.not_found(request.resource, request.target.name)
        if not request.dry_run:
            edited = imagestreamtags.without_tag(stream, tag)
            written = self.store.update("imagestreams", edited, manager=request.manager)
            self.store.update(
                "imagestreams", written | {"status": edited["status"]}, manager=request.manager, subresource="status"
            )
        return 200, success()

    def get_image(self, request: Request) -> Answer:
        """An ImageStreamImage."""
        stream, image = self._stream(request)
        view = imagestreamtags.image_view(stream, image, self._find_image) if stream else None
        if view is None:
            raise errors.not_found(request.resource, request.target.name)
        return 200, view

    def _stream(self, request: Request, name: str = "") -> tuple[Object | None, str]:
        stream, tag = imagestreamtags.split(name or request.target.name)
        if not tag:
            message = f'imagestreamtags must be of the form <stream_name>:<tag>: "{name or request.target.name}"'
            raise errors.bad_request(message)
        return self.store.find("imagestreams", request.target.namespace, stream), tag

    def _write_tag(self, request: Request, wanted: Object) -> Object:
        name = wanted["metadata"]["name"]
        stream, tag = self._stream(request, name)
        fresh = {
            "metadata": {"name": imagestreamtags.split(name)[0], "namespace": request.target.namespace},
            "spec": {},
        }
        edited = imagestreamtags.with_tag(stream or fresh, tag, wanted)
        write = self.store.create if stream is None else self.store.update
        return self._tag_view(write("imagestreams", edited, manager=request.manager, dry_run=request.dry_run), tag)

    def _tag_view(self, stream: Object, tag: str) -> Object:
        return imagestreamtags.tag_view(stream, tag, self._find_image)

    def _find_image(self, name: str) -> Object | None:
        return self.store.find("images", "", name)

    def get_project(self, request: Request) -> Answer:
        """A namespace, seen as a Project."""
        return 200, _project(self.store.get("namespaces", "", request.target.name))

    def list_projects(self, request: Request) -> Answer:
        """The Projects that the user may see: every token may ask."""
        projects = [_project(namespace) for namespace in self.store.list("namespaces")]
        view = Action("get", "project.openshift.io", "projects")
        seen = [one for one in projects if is_allowed(request.user, replace(view, name=one["metadata"]["name"]))]
        return 200, as_list(request, [one for one in seen if matcher(request)(one)], self.store.resource_version)

    def get_scale(self, request: Request) -> Answer:
        """How many Pods a Deployment wants and has."""
        target = request.target
        return 200, _scale(self.store.get(target.plural, target.namespace, target.name))

    def write_scale(self, request: Request) -> Answer:
        """How many Pods a Deployment shall have."""
        target = request.target
        live = self.store.get(target.plural, target.namespace, target.name)
        body = request.parsed()
        wanted = body if request.method == "PUT" else apply_patch(request.content_type, "scale", _scale(live), body)
        given = (wanted.get("metadata") or {}).get("resourceVersion")
        if given not in (None, live["metadata"]["resourceVersion"]):
            raise errors.conflict(request.resource, target.name)
        edited = {**live, "spec": {**live["spec"], "replicas": (wanted.get("spec") or {}).get("replicas", 0)}}
        return 200, _scale(self.store.update(target.plural, edited, manager=request.manager, dry_run=request.dry_run))


def _project(namespace: Object) -> Object:
    metadata = {name: value for name, value in namespace["metadata"].items() if name != "managedFields"}
    resource = RESOURCES["projects"]
    head = {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": metadata}
    return head | {name: namespace[name] for name in ("spec", "status") if name in namespace}


def _scale(deployment: Object) -> Object:
    metadata = deployment["metadata"]
    labels = deployment["spec"].get("selector", {}).get("matchLabels", {})
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in kept},
        "spec": {"replicas": deployment["spec"]["replicas"]},
        "status": {
            "replicas": (deployment.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{name}={value}" for name, value in sorted(labels.items())),
        },
    }
