"""The command line: which command runs which job, with what, and how it says that it failed.

What a job needs is imported when it runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import secrets
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maintenance_ci import __version__
from maintenance_ci.access import connect, exclusive, find_folder, helm_of, templates_of
from maintenance_ci.errors import MaintenanceError, VariableError
from maintenance_ci.log.log import JobLog
from maintenance_ci.names import ROUTE_STRATEGIES
from maintenance_ci.run.interruption import interrupted_when_cancelled, signals_restored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

EPILOG = """
The jobs read the pipeline's variables (PROJECT, ROUTE_NAME or ROUTE_SELECTOR, SUBPATH, IMAGE_TAG, OKD_URL, OKD_TOKEN,
…) from the environment; README.md lists them all.

Exit codes: 0 done; 1 failed, and users meet what they met before (plan: something stands in the way); 2 a variable is
wrong, nothing was touched; 3 users may have been switched, a person must look; 75 a server is away, try again.
"""
REHEARSE_EPILOG = """
Without --cluster it reads no variables of yours: cluster and GitLab are its own. With --cluster the cluster is
yours, and it reads the pipeline's variables. docs/rehearsal.md says more.

Exit codes: 0 the jobs went through and every user was well served; 1 not, or it could not be run to its end; 2 an
argument or a variable is wrong; with --cluster, 75 another job is at work, or a server is away: try again.
"""

# The commands that leave reports for GitLab, and give signs of life.
JOBS = frozenset({"build-and-deploy", "deploy-route", "delete", "plan"})
MAINTENANCE_ROUTE = "route-templates/maintenance-route.yaml.j2"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    arguments = _parser().parse_args(argv)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - as long as we run
    if isinstance(sys.stdout, io.TextIOWrapper):  # a runner's locale may be ASCII
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with signals_restored():
            return _command(arguments)
    except KeyboardInterrupt:  # before the job began, or after its last words
        return JobLog(sys.stdout).fail(MaintenanceError("The command was interrupted."))


def _command(arguments: argparse.Namespace) -> int:
    from maintenance_ci.settings.variables import in_gitlab, prepare_environment, report_folder, secrets_given

    prepare_environment()
    on_cluster = arguments.command == "rehearse" and arguments.cluster
    job = arguments.command if on_cluster or arguments.command in JOBS else ""
    # These print a file, or one document, and nothing else.
    prints = arguments.command == "export-route" or (arguments.command == "plan" and arguments.json)
    stream = sys.stderr if prints else sys.stdout
    log = JobLog(stream, job=job, gitlab=bool(job) and in_gitlab())
    log.redaction.secrets = secrets_given()
    if not job:
        return _run(arguments, log)
    if folder := report_folder():
        log.forget_reports(folder)
        log.folder = folder
    with log.alive():
        code = _run(arguments, log)
    if folder:
        log.leave_reports(folder, code)
    return code


def _run(arguments: argparse.Namespace, log: JobLog) -> int:
    try:
        with interrupted_when_cancelled():
            return arguments.run(arguments, log) or 0
    except MaintenanceError as error:
        return log.fail(error)
    except Exception:  # noqa: BLE001 - the last boundary: shown in full, and never without what users see now
        return log.crash(traceback.format_exc())
    except KeyboardInterrupt:
        return log.fail(MaintenanceError("The job was interrupted.", "It goes on from what it finds.", run_again=True))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="maintenance-ci",
        description="Put an OpenShift Route into maintenance, and take it out again, without a 5xx.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"maintenance-ci {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add(commands, "build-and-deploy", _build_and_deploy, "build the page in the cluster and deploy it, not exposed")
    _add(commands, "deploy-route", _deploy_route, "switch the Routes that are named (or their SUBPATH) to the page")
    _add(commands, "delete", _delete, "restore the Routes, and remove the page when nobody uses it")
    plan = _add(commands, "plan", _plan, "say what deploy-route would do, and what stands in its way; change nothing")
    instead = plan.add_mutually_exclusive_group()
    instead.add_argument("--delete", action="store_true", help="what delete would do, as with ACTION=end")
    instead.add_argument("--all", action="store_true", help="compare every template of the project with the cluster")
    instead.add_argument(
        "--page-later", action="store_true", help="the page need not be there yet: build-and-deploy makes it"
    )
    plan.add_argument("--json", action="store_true", help="as one JSON document; the log goes to standard error")
    export = _add(commands, "export-route", _export_route, "print the Route as a template that brings it back")
    export.add_argument("route", metavar="ROUTE", help="the Route's name")
    export.add_argument("--commit", action="store_true", help="write it to ROUTE_TEMPLATES_PROJECT")
    export.add_argument("--force", action="store_true", help="overwrite a template in another form; commit headers")
    status = _add(commands, "status", _status, "list what is in maintenance in the namespace")
    status.add_argument("--all-namespaces", action="store_true", help="in every namespace, where the token may look")
    how = status.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="as one JSON document")
    how.add_argument("--watch", action="store_true", help="again every few seconds, until Ctrl-C")
    page = _add(commands, "page", _page, "show the maintenance page on this machine, with the pipeline's variables")
    page.add_argument("--port", type=int, default=8080, metavar="N", help="of the loopback (default: 8080)")
    page.add_argument("--language", metavar="CODE", help="as a browser that asks for it, such as fr")
    page.add_argument("--screenshot", type=Path, metavar="FILE", help="take a picture with Chromium (.png), and end")
    page.add_argument("--docker", type=Path, metavar="DIR", help="a folder to try as the page")
    what = "run the jobs on an embedded OpenShift, or with --cluster on yours, and show who answered"
    rehearse = _add(commands, "rehearse", _rehearse, what, REHEARSE_EPILOG)
    rehearse.add_argument(
        "--cluster", action="store_true", help="on the real cluster, with the pipeline's variables; goes alone"
    )
    rehearse.add_argument(
        "--strategy", choices=ROUTE_STRATEGIES, default="swap", help="ROUTE_STRATEGY of the jobs (default: swap)"
    )
    rehearse.add_argument("--subpath", metavar="PATH", help="put only this path into maintenance")
    rehearse.add_argument("--keep", action="store_true", help="leave the cluster up, and print how to use it")
    for name, what in (("chart", "the Helm chart"), ("docker", "the page"), ("templates", "the Route templates")):
        rehearse.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"a folder to try as {what}")
    rehearse.add_argument(
        "--trouble", action="append", default=[], metavar="LINE", help="let a request fail: 'DELETE routes/shop: 503'"
    )
    rehearse.add_argument("--picture", type=Path, default=Path("rehearsal.png"), metavar="FILE", help=".png or .svg")
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace, JobLog], int | None],
    what: str,
    epilog: str = EPILOG,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, command=name)
    return parser


def _build_and_deploy(_arguments: argparse.Namespace, log: JobLog) -> None:
    from maintenance_ci.jobs.build_and_deploy import Tools, build_and_deploy
    from maintenance_ci.settings.variables import BuildAndDeploySettings, child_environment, read_settings

    settings = read_settings(BuildAndDeploySettings)
    with connect(settings, log) as (cluster, kubeconfig, private):
        tools = Tools(
            helm=helm_of(settings, kubeconfig, private, log),
            chart=find_folder("chart"),
            docker=find_folder("docker"),
            kubeconfig=kubeconfig,
            environment=child_environment(private),
        )
        with exclusive(settings, "build-and-deploy", cluster, log):
            build_and_deploy(settings, cluster, tools, log)


def _deploy_route(_arguments: argparse.Namespace, log: JobLog) -> None:
    from maintenance_ci.settings.variables import RoutesSettings, read_settings
    from maintenance_ci.templates import rendering

    settings = read_settings(RoutesSettings)
    template = find_folder(MAINTENANCE_ROUTE).read_text()
    rendering.begin()  # ready by the time that the page's Route is rendered
    from maintenance_ci.jobs.deploy_route import deploy_route

    with connect(settings, log) as (cluster, _kubeconfig, _private):
        templates = templates_of(settings)
        with exclusive(settings, "deploy-route", cluster, log):
            deploy_route(settings, cluster, templates, template, log)


def _delete(_arguments: argparse.Namespace, log: JobLog) -> None:
    from maintenance_ci.settings.variables import EndSettings, read_settings
    from maintenance_ci.templates import rendering

    settings = read_settings(EndSettings)
    if settings.needs_templates:
        rendering.begin()  # ready by the time that the original's template is rendered
    from maintenance_ci.jobs.delete import delete

    with connect(settings, log) as (cluster, kubeconfig, private):
        templates, helm = templates_of(settings), helm_of(settings, kubeconfig, private, log)
        with exclusive(settings, "delete", cluster, log):
            delete(settings, cluster, templates, helm, log)


def _plan(arguments: argparse.Namespace, log: JobLog) -> None:
    if arguments.all and arguments.json:
        raise VariableError(["--json: is not for --all, which writes its findings to the report"])
    if arguments.all:
        _plan_all(log)
        return
    from maintenance_ci.jobs.plan import plan_delete, plan_deploy
    from maintenance_ci.settings.variables import RoutesSettings, read_settings

    settings = read_settings(RoutesSettings, only_looks=True)
    with connect(settings, log) as (cluster, _kubeconfig, _private):
        templates = templates_of(settings)
        if arguments.delete or settings.action == "end":
            plan_delete(settings, cluster, templates, log, as_json=arguments.json)
        else:
            template = find_folder(MAINTENANCE_ROUTE).read_text()
            later, as_json = arguments.page_later, arguments.json
            plan_deploy(settings, cluster, templates, template, log, page_later=later, as_json=as_json)


def _plan_all(log: JobLog) -> None:
    from maintenance_ci.jobs.plan_all import plan_all
    from maintenance_ci.settings.variables import DriftSettings, read_settings

    settings = read_settings(DriftSettings, only_looks=True)
    with connect(settings, log) as (cluster, _kubeconfig, _private):
        templates = templates_of(settings)
        if templates:
            plan_all(settings, cluster, templates, log)


def _export_route(arguments: argparse.Namespace, log: JobLog) -> None:
    from maintenance_ci.jobs.export_route import commit, export
    from maintenance_ci.settings.variables import CommitSettings, ExportSettings, read_settings

    model = CommitSettings if arguments.commit else ExportSettings
    settings = read_settings(model, arguments={"ROUTE_NAME": arguments.route}, only_looks=not arguments.commit)
    with connect(settings, log) as (cluster, _kubeconfig, _private):
        template = export(settings, cluster, log)
        templates = templates_of(settings) if arguments.commit else None
        if templates:
            commit(settings, templates, template, log, force=arguments.force)
        else:
            try:
                sys.stdout.write(template.text)
                sys.stdout.flush()
            except OSError as error:
                raise MaintenanceError(f"The template could not be written: {error.strerror}.") from error


def _status(arguments: argparse.Namespace, log: JobLog) -> None:
    from maintenance_ci.jobs.status import status, watch
    from maintenance_ci.settings.variables import JobSettings, read_settings

    settings = read_settings(JobSettings, only_looks=True)
    with connect(settings, log) as (cluster, _kubeconfig, _private):
        look = partial(status, cluster, log, as_json=arguments.json, everywhere=arguments.all_namespaces)
        watch(look, log) if arguments.watch else look()


def _rehearse(arguments: argparse.Namespace, log: JobLog) -> int:
    if arguments.cluster:
        embedded = ("subpath", "keep", "chart", "docker", "templates", "trouble")
        if given := [f"--{name}" for name in embedded if getattr(arguments, name)]:
            raise VariableError([f"--cluster: goes without {', '.join(given)}, which are for the embedded cluster"])
        _rehearse_on_cluster(log)
        return 0
    with _rehearsal_packages("The rehearsal"):
        from maintenance_ci.rehearsal.cluster import Options as ClusterOptions
        from maintenance_ci.rehearsal.rehearse import Options, rehearse
        from maintenance_ci.rehearsal.trouble import parse_trouble
    try:
        troubles = tuple(parse_trouble(line) for line in arguments.trouble)
    except ValueError as error:
        raise VariableError([f"--trouble: {error}"]) from None
    return rehearse(
        Options(
            cluster=ClusterOptions(troubles=troubles),
            subpath=arguments.subpath,
            keep=arguments.keep,
            chart=arguments.chart,
            docker=arguments.docker,
            templates=arguments.templates,
            picture=arguments.picture,
            variables={"ROUTE_STRATEGY": arguments.strategy},
        )
    )


@contextlib.contextmanager
def _rehearsal_packages(what: str) -> Iterator[None]:
    """Say which package is missing that the body, for ``what``, imports."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MaintenanceError(
            f"{what} needs {error.name}, which is not installed.", "Install maintenance-ci[rehearsal]."
        ) from error


def _page(arguments: argparse.Namespace, log: JobLog) -> None:
    from maintenance_ci.settings.variables import PreviewSettings, read_settings

    with _rehearsal_packages("The preview"):
        from maintenance_ci.rehearsal.preview import preview
    settings = read_settings(PreviewSettings, only_looks=True)
    folder = arguments.docker or find_folder("docker")
    preview(settings, folder, log, port=arguments.port, language=arguments.language, screenshot=arguments.screenshot)


def _rehearse_on_cluster(log: JobLog) -> None:
    from maintenance_ci.jobs.build_and_deploy import Tools
    from maintenance_ci.jobs.rehearse_on_cluster import Rehearsal
    from maintenance_ci.page.rehearsed import RehearsalHelm
    from maintenance_ci.run.lease import DURATION
    from maintenance_ci.settings.rehearsal import read_rehearsal
    from maintenance_ci.settings.variables import child_environment

    (settings, build), run = read_rehearsal(), secrets.token_hex(3)
    template = find_folder(MAINTENANCE_ROUTE).read_text()
    with connect(settings, log) as (cluster, kubeconfig, private):
        environment = child_environment(private)
        helm = RehearsalHelm(kubeconfig, settings.project, run, environment=environment, say=log.say)
        tools = Tools(helm, find_folder("chart"), find_folder("docker"), kubeconfig, environment)
        # As long as a killed job's Lease lasts: a job that is at work is not waited for.
        with exclusive(settings, "rehearse", cluster, log, patience=1.5 * DURATION):
            Rehearsal(settings, build, cluster, tools, helm, template, run, log).run(templates_of(settings))
