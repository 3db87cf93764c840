"""The files that a job leaves: JSON, and for GitLab JUnit XML and a dotenv. Pure: each is made of the record."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Callable

# Raised when a reader of the JSON would have to change.
SCHEMA_VERSION = 1
REPORT, JUNIT, DOTENV = "maintenance-report.json", "maintenance-junit.xml", "maintenance.env"
# Who answered the users of a rehearsal on the cluster.
PICTURE = "maintenance-rehearsal.svg"
# The job whose environment GitLab opens by the dotenv's address.
OPENS_ENVIRONMENT = "deploy-route"
HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")


@dataclass
class Phase:
    """A phase of the job: it began that many seconds after the job, and took that many."""

    title: str
    began: float
    seconds: float = 0.0
    outcome: Literal["done", "failed"] = "failed"


@dataclass
class Check:
    """One thing that had to hold before a change.

    Attributes:
        name: what had to hold.
        outcome: ``refused``: it does not hold; ``failed``: whether it does is not known.
        words: why, or what was warned of.
    """

    name: str
    outcome: Literal["passed", "warned", "refused", "failed"]
    words: str = ""


@dataclass
class ProbeAnswer:
    """One answer on the public URL; ``seconds`` since the job began."""

    seconds: float
    side: str
    words: str


@dataclass
class ProbeRun:
    """The answers on one public URL, while the job waited for one side: the application, or the page.

    Attributes:
        url: that was asked.
        wanted: the side that users were to meet; None where the job only looked.
        outcome: ``unseen``: the runner does not see the site; ``stopped``: the job ended before the wait did.
        summary: how often each side answered what.
        answers: all of them, in order.
    """

    url: str
    wanted: str | None
    outcome: Literal["seen", "unseen", "not_yet", "stopped"] = "stopped"
    summary: str = ""
    answers: list[ProbeAnswer] = field(default_factory=list)


@dataclass
class RouteRecord:
    """What is known of one Route, or of one path of it.

    Attributes:
        strategy: ``swap``, ``repoint`` or ``subpath``.
        url: as users ask for it.
        outcome: ``done``: it is as the job was to leave it; ``failed``: it is not; ``untouched``: it was not changed.
        result: what users of it see.
        error: why it failed.
    """

    route: str = ""
    subpath: str | None = None
    strategy: str | None = None
    url: str | None = None
    outcome: Literal["done", "failed", "untouched"] = "untouched"
    result: str | None = None
    error: str | None = None


@dataclass
class Record:
    """What is known of a job; None is what it does not have, or never learned.

    Attributes:
        job: the command, such as ``deploy-route``; ``name`` is GitLab's name of the job.
        route: the only Route of the job, as ``subpath``, ``strategy`` and ``url`` are the only ones; None for several.
        strategy: ``swap``, ``repoint`` or ``subpath``.
        url: of the Route, or of its part, as users ask for it.
        routes: all Routes and paths that the job is about.
        result: how it left things: what users see.
        error: why it failed.
    """

    job: str = ""
    name: str | None = None
    namespace: str | None = None
    route: str | None = None
    subpath: str | None = None
    strategy: str | None = None
    url: str | None = None
    pipeline_id: str | None = None
    pipeline_url: str | None = None
    user: str | None = None
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    exit_code: int | None = None
    result: str | None = None
    error: str | None = None
    routes: list[RouteRecord] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    probes: list[ProbeRun] = field(default_factory=list)


def rewritten(value: Any, change: Callable[[str], str]) -> Any:
    """Return a record, or a part of it, with every text in it changed: so no field is forgotten."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [rewritten(item, change) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [one.name for one in dataclasses.fields(value)]
        return dataclasses.replace(value, **{name: rewritten(getattr(value, name), change) for name in names})
    return value


def report_files(record: Record) -> dict[str, str]:
    """Return the text of each file by its name."""
    files = {REPORT: report_json(record), JUNIT: junit_xml(record)}
    if record.job == OPENS_ENVIRONMENT and (address := dotenv(record)):
        files[DOTENV] = address
    return files


def report_json(record: Record) -> str:
    """Return the whole record; times are in UTC, by RFC 3339."""
    fields = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(record)}
    return json.dumps(fields, indent=2, default=lambda moment: moment.isoformat(timespec="seconds")) + "\n"


def junit_xml(record: Record) -> str:
    """Return checks and probes as test cases.

    GitLab shows only the text of a failure's element, and only the first of several cases with the same name.
    """
    root = ElementTree.Element("testsuites", name=_printable(f"maintenance-ci {record.job}"))
    _add_suite(root, record.job, "checks", [(check.name, 0.0, _check_fault(check)) for check in record.checks])
    _add_suite(root, record.job, "probes", [_probe_case(run) for run in record.probes])
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def dotenv(record: Record) -> str | None:
    """Return the environment's address, that of the first Route, as one line; None where it is not known.

    GitLab takes no quotes and no comments in it, and expands variables: what could be one is percent-encoded.
    """
    urls = [record.url, *(row.url for row in record.routes)]
    parts = urlsplit(next(filter(None, urls), ""))
    if parts.scheme not in ("http", "https") or not HOST.fullmatch(parts.netloc):
        return None
    return f"MAINTENANCE_URL={parts.scheme}://{parts.netloc}{quote(parts.path or '/', safe='/%')}\n"


# How a test case failed, by kind and message; None where it did not.
Fault = tuple[Literal["failure", "error", "skipped"], str] | None
Case = tuple[str, float, Fault]  # its name, and how many seconds it took


def _check_fault(check: Check) -> Fault:
    if check.outcome == "refused":
        return "failure", check.words
    return ("error", check.words) if check.outcome == "failed" else None


def _probe_case(run: ProbeRun) -> Case:
    name = f"users of {run.url} meet {run.wanted}" if run.wanted else f"{run.url} can be seen"
    faults: dict[str, Fault] = {
        "seen": None,
        "unseen": ("skipped", f"the runner cannot see it: {run.summary}"),
        "not_yet": ("failure", run.summary),
        "stopped": ("error", f"the job ended before: {run.summary}"),
    }
    return name, run.answers[-1].seconds - run.answers[0].seconds if run.answers else 0.0, faults[run.outcome]


def _add_suite(root: ElementTree.Element, job: str, suite: str, cases: list[Case]) -> None:
    kinds = Counter(fault[0] for _, _, fault in cases if fault)
    parent = ElementTree.SubElement(
        root,
        "testsuite",
        name=suite,
        tests=str(len(cases)),
        failures=str(kinds["failure"]),
        errors=str(kinds["error"]),
        skipped=str(kinds["skipped"]),
        time=f"{sum(seconds for _, seconds, _ in cases):.2f}",
    )
    namesakes: Counter[str] = Counter()
    for name, seconds, fault in cases:
        namesakes[name] += 1
        title = _printable(f"{name} ({namesakes[name]})" if namesakes[name] > 1 else name)
        attributes = {"classname": _printable(f"{job} {suite}"), "name": title, "time": f"{seconds:.2f}"}
        case = ElementTree.SubElement(parent, "testcase", attributes)
        if fault:
            kind, message = fault[0], _printable(fault[1])
            ElementTree.SubElement(case, kind, message=message).text = message


def _printable(text: str) -> str:
    """Return the text without what XML cannot hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
