"""What a job leaves behind: a report as JSON, JUnit XML and a dotenv for GitLab. Pure: each is a text of the record."""

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
    from collections.abc import Callable, Iterable, Iterator

# Raised when a reader of the JSON would have to change.
SCHEMA_VERSION = 1
REPORT, JUNIT, DOTENV = "maintenance-report.json", "maintenance-junit.xml", "maintenance.env"
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
        outcome: ``refused``: it does not hold; ``failed``: it could not be found out.
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
    """The answers on one public URL, while the job waited for a side.

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
class Record:
    """What is known of a job; None is what it does not have, or did not come to know.

    Attributes:
        job: the command, such as ``deploy-route``; ``name`` is GitLab's name of the job.
        strategy: ``swap``, ``repoint`` or ``subpath``.
        url: of the Route, or of its part, as users ask for it.
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
    warnings: list[str] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    probes: list[ProbeRun] = field(default_factory=list)


def rewritten(value: Any, change: Callable[[str], str]) -> Any:
    """Return a record, or a part of it, with every text in it changed: nothing secret is forgotten that way."""
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
    address = dotenv(record) if record.job == OPENS_ENVIRONMENT else None
    files = {REPORT: report_json(record), JUNIT: junit_xml(record)}
    return files | ({DOTENV: address} if address else {})


def report_json(record: Record) -> str:
    """Return the whole record; times are in UTC, by RFC 3339."""
    fields = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(record)}
    return json.dumps(fields, indent=2, default=lambda moment: moment.isoformat(timespec="seconds")) + "\n"


def junit_xml(record: Record) -> str:
    """Return checks and probes as test cases.

    As GitLab reads them: of a failure it shows the element's text alone, and of cases with the same name the first.
    """
    root = ElementTree.Element("testsuites", name=_printable(f"maintenance-ci {record.job}"))
    checks = [(check.name, 0.0, _check_fault(check)) for check in record.checks]
    probes = [(_watch_name(watch), _lasted(watch), _watch_fault(watch)) for watch in record.probes]
    _add_suite(root, record.job, "checks", checks)
    _add_suite(root, record.job, "probes", probes)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def dotenv(record: Record) -> str | None:
    """Return the environment's address as one line; None where it is not known.

    GitLab takes neither quotes nor comments in it, and expands variables: whatever could be one is percent-encoded.
    """
    parts = urlsplit(record.url or "")
    if parts.scheme not in ("http", "https") or not HOST.fullmatch(parts.netloc):
        return None
    return f"MAINTENANCE_URL={parts.scheme}://{parts.netloc}{quote(parts.path or '/', safe='/%')}\n"


Fault = tuple[Literal["failure", "error", "skipped"], str] | None


def _check_fault(check: Check) -> Fault:
    if check.outcome == "refused":
        return "failure", check.words
    return ("error", check.words) if check.outcome == "failed" else None


def _watch_name(watch: ProbeRun) -> str:
    return f"users of {watch.url} meet {watch.wanted}" if watch.wanted else f"{watch.url} can be seen"


def _watch_fault(watch: ProbeRun) -> Fault:
    if watch.outcome == "seen":
        return None
    if watch.outcome == "unseen":
        return "skipped", f"the runner cannot see it: {watch.summary}"
    if watch.outcome == "not_yet":
        return "failure", watch.summary
    return "error", f"the job ended before: {watch.summary}"


def _lasted(watch: ProbeRun) -> float:
    return watch.answers[-1].seconds - watch.answers[0].seconds if watch.answers else 0.0


def _add_suite(root: ElementTree.Element, job: str, suite: str, cases: Iterable[tuple[str, float, Fault]]) -> None:
    told = list(_told_apart(cases))
    kinds = Counter(fault[0] for _, _, fault in told if fault)
    parent = ElementTree.SubElement(
        root,
        "testsuite",
        name=suite,
        tests=str(len(told)),
        failures=str(kinds["failure"]),
        errors=str(kinds["error"]),
        skipped=str(kinds["skipped"]),
        time=f"{sum(seconds for _, seconds, _ in told):.2f}",
    )
    for name, seconds, fault in told:
        case = ElementTree.SubElement(
            parent, "testcase", classname=_printable(f"{job} {suite}"), name=_printable(name), time=f"{seconds:.2f}"
        )
        if fault:
            kind, words = fault
            ElementTree.SubElement(case, kind, message=_printable(words)).text = _printable(words)


def _told_apart(cases: Iterable[tuple[str, float, Fault]]) -> Iterator[tuple[str, float, Fault]]:
    seen: Counter[str] = Counter()
    for name, seconds, fault in cases:
        seen[name] += 1
        yield (f"{name} ({seen[name]})" if seen[name] > 1 else name), seconds, fault


def _printable(text: str) -> str:
    """Return the text without what XML cannot hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
