"""Binary builds: an upload becomes a Build, the Build an image, the image a tag.

The phases, conditions, labels and the order of the events were recorded on a real OpenShift 4.21; what a build says
that cannot begin, or whose base image cannot be pulled, is as its controller and its builder have it in their source
(openshift-controller-manager, openshift-apiserver, builder). What differs: the build does not run in its Pod, and one
that waits for something missing gives up after ``START_TIMEOUT`` instead of five minutes.
"""

from __future__ import annotations

import asyncio
import copy
import shutil
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.apiserver.errors import ApiError, bad_request
from maintenance_ci.rehearsal.apiserver.store import now
from maintenance_ci.rehearsal.builds import build_pod, image_build, image_streams
from maintenance_ci.rehearsal.builds.record import ENDED, BuildLog, BuildRecord, config_uid, new_build, number_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from maintenance_ci.rehearsal.apiserver.store import Object, Store
    from maintenance_ci.rehearsal.builds.images import Image, ImageStore

API_SERVER = "openshift-apiserver"
START_TIMEOUT = 20.0  # seconds; five minutes on a real OpenShift
POLL = 0.02
# Reasons as OpenShift's API names them. Of these, GenericBuildFailed alone was recorded, without its message.
NO_OUTPUT = ("InvalidOutputReference", "Output image could not be resolved.")
NO_PUSH_SECRET = ("MissingPushSecret", "Missing push secret.")
NO_POD = "CannotCreateBuildPod"
NO_BASE = ("PullBuilderImageFailed", "Failed pulling builder image.")
BAD_SOURCE = ("FetchSourceFailed", "Failed to fetch the input source.")
FAILED = ("GenericBuildFailed", "Generic Build failure - check logs for details.")
CANCELLED = ("CancelledBuild", "The build was cancelled by the user.")


class Builds:
    """Takes uploads and builds them, one at a time for each BuildConfig; ``stage_seconds`` is what each phase takes.

    ``fail_next``, where it is not empty, is why the next build fails, whatever is in it.
    """

    def __init__(
        self,
        store: Store,
        images: ImageStore,
        directory: Path,
        *,
        stage_seconds: float = 0.2,
        start_timeout: float = START_TIMEOUT,
    ) -> None:
        self.fail_next = ""
        self._store = store
        self._images = images
        self._directory = directory
        self._stage_seconds = stage_seconds
        self._start_timeout = start_timeout
        self._logs: dict[str, BuildLog] = {}  # by the Build's uid
        self._running: set[asyncio.Task[None]] = set()

    async def instantiate_binary(
        self, namespace: str, buildconfig_name: str, query: Mapping[str, str], archive: bytes
    ) -> Object:
        """Start a build of ``archive`` (a tar, compressed or not); returns the Build once it runs.

        Raises ``ApiError``: 404 without such a BuildConfig, 422 where the base image's tag has no image, 400 for a
        build that fails before it runs, 504 for one that cannot start in time. A caller that is cancelled cancels the
        build.
        """
        build = BuildRecord(self._store, self._create(namespace, buildconfig_name, query))
        output = self._logs[build.uid] = BuildLog()
        try:
            async with asyncio.timeout(self._start_timeout):
                await self._start(build)
            context = self._directory / build.uid
            output.write("Receiving source from STDIN as archive ...")
            image_build.unpack(archive, context)
        except TimeoutError as error:
            build.end("Cancelled", CANCELLED)
            output.end()
            message = f"timed out waiting for build {build.name} to start after {self._start_timeout:g}s"
            raise ApiError(504, "Timeout", message, {}) from error
        except asyncio.CancelledError:
            build.end("Cancelled", CANCELLED)
            output.end()
            raise
        except image_build.BadArchiveError as error:
            output.write(f"error: {error}")
            output.end()
            build.end("Failed", BAD_SOURCE, output.lines)
            raise bad_request(f"build {build.name} failed: {': '.join(BAD_SOURCE)}") from error
        task = asyncio.create_task(self._run(build, context, output))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return build.object

    async def log(self, namespace: str, build_name: str, follow: bool) -> AsyncIterator[bytes]:
        """The lines of a build, with ``follow`` to its end; raises ``ApiError`` 404 before the first one."""
        build = self._store.get("builds", namespace, build_name)
        output = self._logs.get(build["metadata"]["uid"])
        if output is not None:
            async for line in output.read(follow=follow):
                yield line

    async def stop(self) -> None:
        """Cancel what is being built."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _create(self, namespace: str, name: str, query: Mapping[str, str]) -> Object:
        config = copy.deepcopy(self._store.get("buildconfigs", namespace, name))
        base = self._resolved_base(config)
        config["status"]["lastVersion"] += 1
        config = self._store.update("buildconfigs", config, manager=API_SERVER)
        build = new_build(config, query)
        if base:
            build["spec"]["strategy"]["dockerStrategy"]["from"] = {"kind": "DockerImage", "name": base}
        return self._store.create("builds", build, manager=API_SERVER)

    def _resolved_base(self, config: Object) -> str:
        """What a build builds upon instead of what FROM names; a tag is resolved once, when the build is made."""
        reference = (config["spec"]["strategy"].get("dockerStrategy") or {}).get("from") or {}
        if reference.get("kind") != "ImageStreamTag":
            return str(reference.get("name", ""))
        namespace, name = reference.get("namespace") or config["metadata"]["namespace"], reference["name"]
        resolved = image_streams.reference_of(self._store, namespace, name)
        if resolved:
            return resolved
        stream = name.partition(":")[0]
        there = self._store.find("imagestreams", namespace, stream) is not None
        why = "unable to find latest tagged image" if there else f'imagestreams.image.openshift.io "{stream}" not found'
        message = f"Error resolving ImageStreamTag {name} in namespace {namespace}: {why}"
        details = {"name": name, "kind": "ImageStreamTag", "causes": [{"message": message, "field": "from"}]}
        raise ApiError(422, "Invalid", message, details)

    async def _start(self, build: BuildRecord) -> None:
        """Pass the phases New and Pending, waiting for what the build needs."""
        await self._until(build, lambda: not self._is_blocked(build))
        output = self._output_reference(build)
        if output is None:  # whoever uploads is told at once; another build would wait for the ImageStream
            build.end("Failed", NO_OUTPUT)
            raise bad_request(f"build {build.name} failed: {': '.join(NO_OUTPUT)}")
        await self._make_pod(build, {"outputDockerImageReference": output} if build.output else {})
        await asyncio.sleep(self._stage_seconds)
        await self._until(build, lambda: build_pod.is_scheduled(self._store, build.object))
        await self._until(build, lambda: self._has_push_secret(build), NO_PUSH_SECRET)
        build.enter("Running", startTimestamp=now())

    async def _make_pod(self, build: BuildRecord, status: Object) -> None:
        """Go on to Pending, which makes the build's Pod; one that is refused is tried again."""
        annotations = {"openshift.io/build.pod-name": f"{build.name}-build"}
        while not build.is_deleted:
            try:
                return build.enter("Pending", annotations=annotations, **status)
            except ApiError as error:
                build.explain((NO_POD, f"Failed creating build pod: {error.message}"))
                await asyncio.sleep(POLL)
        raise bad_request(f"build {build.name} was deleted before it started")

    async def _until(
        self, build: BuildRecord, condition: Callable[[], bool], obstacle: tuple[str, str] | None = None
    ) -> None:
        """Wait for ``condition``; the Build says meanwhile what it waits for."""
        while not condition():
            if build.is_deleted:
                raise bad_request(f"build {build.name} was deleted before it started")
            if obstacle:
                build.explain(obstacle)
            await asyncio.sleep(POLL)

    def _is_blocked(self, build: BuildRecord) -> bool:
        """True while an earlier build of the same BuildConfig has not ended (run policy Serial)."""
        return any(
            config_uid(other) == config_uid(build.object)
            and number_of(other) < number_of(build.object)
            and other["status"]["phase"] not in ENDED
            for other in self._store.list("builds", build.namespace)
        )

    def _output_reference(self, build: BuildRecord) -> str | None:
        """Where the image goes to; None while the ImageStream is missing, empty for a build that is not pushed."""
        output = build.output
        if output.get("kind") != "ImageStreamTag":
            return str(output.get("name", ""))
        name, _, tag = output["name"].partition(":")
        stream = self._store.find("imagestreams", output.get("namespace", build.namespace), name)
        return f"{stream['status']['dockerImageRepository']}:{tag}" if stream else None

    def _has_push_secret(self, build: BuildRecord) -> bool:
        secret = build.object["spec"]["output"].get("pushSecret")
        return not secret or self._store.find("secrets", build.namespace, secret["name"]) is not None

    async def _run(self, build: BuildRecord, context: Path, output: BuildLog) -> None:
        """Build and push in the background; the Build and its log say how it went."""
        try:
            await asyncio.sleep(self._stage_seconds)
            self._fail_on_demand()
            image = image_build.build(context, self._options(build), self._images, output.write)
            pushed = self._push(build, image)
            output.write(f"Successfully pushed {pushed}" if pushed else "Build complete, no image push requested")
            if pushed:
                output.write("Push successful")
            await self._ended(output)
            build.end("Complete")
        except asyncio.CancelledError:
            build.end("Cancelled", CANCELLED)
            raise
        except (image_build.BuildError, ApiError) as error:
            output.write(f"error: {error}")
            await self._ended(output)
            build.end("Failed", NO_BASE if isinstance(error, image_build.PullError) else FAILED, output.lines)
        finally:
            output.end()
            shutil.rmtree(context)
        self._prune(build)

    async def _ended(self, output: BuildLog) -> None:
        """End the log: the Build follows half a second later (recorded), and who only read the log sees it running."""
        output.end()
        await asyncio.sleep(self._stage_seconds)

    def _fail_on_demand(self) -> None:
        why, self.fail_next = self.fail_next, ""
        if why:
            raise image_build.BuildError(why)

    def _options(self, build: BuildRecord) -> image_build.Options:
        strategy = build.object["spec"]["strategy"].get("dockerStrategy") or {}
        return image_build.Options(
            dockerfile_path=strategy.get("dockerfilePath") or "Dockerfile",
            base=(strategy.get("from") or {}).get("name", ""),
            arguments={one["name"]: one.get("value", "") for one in strategy.get("buildArgs") or []},
            # A real build adds these two to every image, so no two builds make the same one.
            environment={"OPENSHIFT_BUILD_NAME": build.name, "OPENSHIFT_BUILD_NAMESPACE": build.namespace},
        )

    def _push(self, build: BuildRecord, image: Image) -> str:
        output = build.output
        if output.get("kind") == "ImageStreamTag":
            name, _, tag = output["name"].partition(":")
            return image_streams.push(self._store, output.get("namespace", build.namespace), name, tag, image)
        if output.get("kind") == "DockerImage":
            self._images.push(output["name"], image)
            return f"{output['name']}@{image.digest}"
        return ""

    def _prune(self, build: BuildRecord) -> None:
        """Remove the oldest ended builds beyond the limits of the BuildConfig."""
        config = self._store.find("buildconfigs", build.namespace, build.object["status"]["config"]["name"])
        if config is None:
            return
        for phases, limit in (
            (("Complete",), config["spec"]["successfulBuildsHistoryLimit"]),
            (("Failed", "Cancelled", "Error"), config["spec"]["failedBuildsHistoryLimit"]),
        ):
            ended = [
                other
                for other in self._store.list("builds", build.namespace)
                if config_uid(other) == config["metadata"]["uid"] and other["status"]["phase"] in phases
            ]
            for other in sorted(ended, key=number_of, reverse=True)[limit:]:
                self._store.delete("builds", build.namespace, other["metadata"]["name"])
