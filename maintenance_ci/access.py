"""What a command gets before its job begins: the cluster, its Lease, GitLab's templates, Helm, our own files.

What each of them needs is imported when it is asked for, so that ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.page.helm import Helm
    from maintenance_ci.settings.variables import JobSettings, TemplatesSettings
    from maintenance_ci.templates.project import TemplateProject


@contextlib.contextmanager
def connect(settings: JobSettings, log: JobLog) -> Iterator[tuple[OpenShift, str, Path]]:
    """Yield the cluster, its kubeconfig and a private folder, which is removed at the end."""
    from maintenance_ci.cluster.kubeconfig import private_folder
    from maintenance_ci.cluster.openshift import OpenShift

    _record_job(settings, log)
    with private_folder() as private:
        kubeconfig = _kubeconfig(settings, private, log)
        hide = log.redaction.secrets.append
        cluster = OpenShift(kubeconfig, settings.project, timeout=settings.api_timeout, hide=hide)
        with contextlib.closing(cluster):
            yield cluster, kubeconfig, private


def _kubeconfig(settings: JobSettings, private: Path, log: JobLog) -> str:
    """Write the kubeconfig of the job, which all clients get, and return its path."""
    from maintenance_ci.cluster.kubeconfig import write_kubeconfig, write_login
    from maintenance_ci.settings.variables import login_environment, proxy_to

    if settings.okd_url and settings.okd_token:
        if settings.okd_insecure_skip_tls_verify:
            log.warn("the certificate of the cluster's API is not verified (OKD_INSECURE_SKIP_TLS_VERIFY)")
        path = write_kubeconfig(
            private,
            url=settings.okd_url,
            token=settings.okd_token.get_secret_value(),
            namespace=settings.project,
            ca=settings.okd_ca,
            skip_tls_verify=settings.okd_insecure_skip_tls_verify,
            proxy=proxy_to(settings.okd_url),
        )
        return str(path)
    from maintenance_ci.cluster.given_kubeconfig import read_login

    login = read_login(str(settings.kubeconfig), settings.kube_context.strip(), login_environment())
    log.redaction.secrets += login.secrets
    if login.cluster.get("insecure-skip-tls-verify"):
        log.warn("the certificate of the cluster's API is not verified (insecure-skip-tls-verify in KUBECONFIG)")
    proxy = login.proxy or proxy_to(login.cluster["server"])
    return str(write_login(private, login.cluster, login.user, namespace=settings.project, proxy=proxy))


def _record_job(settings: JobSettings, log: JobLog) -> None:
    """Record whose job this is, and what it is about."""
    from maintenance_ci.plan.strategies import SUBPATH
    from maintenance_ci.settings.variables import RoutesSettings

    record = log.record
    record.namespace, record.name = settings.project, settings.ci_job_name or None
    record.user = settings.gitlab_user_login or None
    record.pipeline_id, record.pipeline_url = settings.ci_pipeline_id or None, settings.ci_pipeline_url or None
    if isinstance(settings, RoutesSettings) and len(settings.route_names) == 1 and len(settings.subpaths) < 2:
        record.route, record.subpath = settings.route_names[0], next(iter(settings.subpaths), None)
        record.strategy = SUBPATH if settings.subpaths else settings.route_strategy


@contextlib.contextmanager
def exclusive(
    settings: JobSettings, job: str, cluster: OpenShift, log: JobLog, *, patience: float = math.inf
) -> Iterator[None]:
    """Hold the namespace's Lease: whatever the body changes, it changes as its holder.

    The wait for it ends after LEASE_TIMEOUT, or after ``patience`` seconds where these are fewer.
    """
    from maintenance_ci.run.concurrently import require_not_stopped
    from maintenance_ci.run.lease import Holder, Lease

    holder = Holder(settings.ci_pipeline_id, settings.ci_job_name or job, settings.ci_pipeline_url)
    with Lease(cluster, holder, say=log.say).holding(min(settings.lease_timeout, patience)) as lease:

        def guard() -> None:
            require_not_stopped()
            lease.require()

        cluster.guard = guard
        yield


def templates_of(settings: TemplatesSettings) -> TemplateProject | None:
    """Return the project of the Routes' templates; None where the job reads none."""
    if not settings.needs_templates or settings.ci_server_url is None or settings.route_templates_project is None:
        return None
    from maintenance_ci.settings.variables import proxy_to
    from maintenance_ci.templates.project import TemplateProject

    tokens = {"private_token": settings.route_templates_token, "job_token": settings.ci_job_token}
    return TemplateProject(
        settings.ci_server_url,
        settings.route_templates_project,
        ref=settings.route_templates_ref,
        ca=settings.ci_server_tls_ca_file,
        proxy=proxy_to(settings.ci_server_url),
        **{kind: token.get_secret_value() if token else None for kind, token in tokens.items()},
    )


def find_folder(name: str) -> Path:
    """Return the path of a folder or file of ours: the checkout's, where there may be one."""
    from maintenance_ci.settings.folders import find
    from maintenance_ci.settings.variables import has_checkout

    return find(name, checkout=has_checkout())


def helm_of(settings: JobSettings, kubeconfig: str, private: Path, log: JobLog) -> Helm:
    """Return the Helm of a job.

    Raises:
        CommandError: there is none.
    """
    from maintenance_ci.page.helm import Helm
    from maintenance_ci.settings.variables import child_environment

    return Helm(kubeconfig, settings.project, environment=child_environment(private), say=log.say)
