from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maintenance_ci.log.log import JobLog
from maintenance_ci.log.report_files import (
    DOTENV,
    JUNIT,
    REPORT,
    SCHEMA_VERSION,
    Check,
    Phase,
    ProbeAnswer,
    ProbeRun,
    Record,
    dotenv,
    junit_xml,
    report_files,
    report_json,
    rewritten,
)

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text())
BEGAN = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
URL = "https://shop.example.test/cart"
# As Ci::ParseDotenvArtifactService reads a line, and refuses all that is not one.
DOTENV_LINE = re.compile(r"(.*?)=(.*)")


def full() -> Record:
    answers = [ProbeAnswer(1.0, "the application", "200"), ProbeAnswer(3.5, "the maintenance page", "200")]
    return Record(
        job="deploy-route",
        name="deploy-route 1/2",
        namespace="web",
        route="shop",
        subpath="/cart",
        strategy="subpath",
        url=URL,
        pipeline_id="7",
        pipeline_url="https://gitlab.example.test/ops/-/pipelines/7",
        user="ada",
        began=BEGAN,
        ended=BEGAN.replace(minute=1),
        exit_code=1,
        result="It was rolled back.",
        error="Users do not meet the page.",
        warnings=["careful"],
        phases=[Phase("Read", 0.1, 0.5, "done"), Phase("Wait", 0.6, 60.0)],
        checks=[
            Check("the page is ready", "passed"),
            Check("nobody undoes the switch", "warned", "Argo CD"),
            Check("the Route can be deleted", "refused", "It has finalizers."),
            Check("a router serves the Route", "failed", "It is away."),
        ],
        probes=[
            ProbeRun(URL, "the maintenance page", "not_yet", "1 x the application (200)", answers),
            ProbeRun(URL, "the application", "seen", "5 x the application (200)", answers),
            ProbeRun(URL, None, "unseen", "1 x neither side (no answer)"),
            ProbeRun(URL, "the application"),
        ],
    )


def test_the_report_holds_all_that_was_recorded() -> None:
    report = json.loads(report_json(full()))
    jsonschema.validate(report, SCHEMA)
    assert report["schema_version"] == SCHEMA_VERSION == SCHEMA["properties"]["schema_version"]["const"]
    assert (report["began"], report["ended"]) == ("2026-11-23T17:00:00+00:00", "2026-11-23T17:01:00+00:00")
    assert report["phases"][1] == {"title": "Wait", "began": 0.6, "seconds": 60.0, "outcome": "failed"}
    assert report["checks"][2] == {
        "name": "the Route can be deleted", "outcome": "refused", "words": "It has finalizers.",
    }  # fmt: skip
    assert report["probes"][0]["answers"][1] == {"seconds": 3.5, "side": "the maintenance page", "words": "200"}


def test_the_schema_refuses_what_is_no_report() -> None:
    jsonschema.validate(json.loads(report_json(Record())), SCHEMA)
    good: dict[str, Any] = json.loads(report_json(full()))
    faults: list[dict[str, Any]] = [
        {"job": 1}, {"schema_version": 2}, {"more": 1}, {"phases": [{}]}, {"began": None},
        {"checks": [{"name": "a", "outcome": "maybe", "words": ""}]},
    ]  # fmt: skip
    for wrong in faults:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(good | wrong, SCHEMA)


def suites(record: Record) -> dict[str, ElementTree.Element]:
    """The suites, after a look at the structure that readers of JUnit rely on."""
    root = ElementTree.fromstring(junit_xml(record))
    assert root.tag == "testsuites"
    for suite in root:
        cases = list(suite)
        assert {case.tag for case in cases} <= {"testcase"}
        counted = {kind: len(suite.findall(f"testcase/{kind}")) for kind in ("failure", "error", "skipped")}
        assert [int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")] == [
            len(cases), counted["failure"], counted["error"], counted["skipped"],
        ]  # fmt: skip
        for case in cases:
            assert set(case.attrib) == {"classname", "name", "time"}
            assert float(case.attrib["time"]) >= 0
            assert len(case) <= 1
            # ActiveSupport's Hash.from_xml, by which GitLab reads it, casts an element that has a type.
            assert all("type" not in fault.attrib for fault in case)
        names = [case.attrib["name"] for case in cases]
        assert len(set(names)) == len(names)
    return {suite.attrib["name"]: suite for suite in root}


def cases_of(suite: ElementTree.Element) -> list[tuple[str, str | None, str | None]]:
    """Each case with its fault and what GitLab shows of it: the element's text."""
    return [
        (case.attrib["name"], case[0].tag if len(case) else None, case[0].text if len(case) else None) for case in suite
    ]


def test_junit_of_the_checks() -> None:
    checks = suites(full())["checks"]
    assert cases_of(checks) == [
        ("the page is ready", None, None),
        ("nobody undoes the switch", None, None),
        ("the Route can be deleted", "failure", "It has finalizers."),
        ("a router serves the Route", "error", "It is away."),
    ]
    assert {case.attrib["classname"] for case in checks} == {"deploy-route checks"}


def test_junit_of_the_probes() -> None:
    probes = suites(full())["probes"]
    assert cases_of(probes) == [
        (f"users of {URL} meet the maintenance page", "failure", "1 x the application (200)"),
        (f"users of {URL} meet the application", None, None),
        (f"{URL} can be seen", "skipped", "the runner cannot see it: 1 x neither side (no answer)"),
        (f"users of {URL} meet the application (2)", "error", "the job ended before: "),
    ]
    assert [case.attrib["time"] for case in probes] == ["2.50", "2.50", "0.00", "0.00"]


def test_junit_of_a_job_that_came_to_nothing() -> None:
    assert [(name, len(suite)) for name, suite in suites(Record("delete")).items()] == [("checks", 0), ("probes", 0)]


@given(st.text(), st.text(alphabet=st.characters(codec=None)))
def test_no_text_breaks_a_report(name: str, words: str) -> None:
    record = Record(name, checks=[Check(name, "refused", words), Check(name, "failed", words)])
    junit_xml(record).encode()
    assert len(suites(record)["checks"]) == 2
    assert json.loads(report_json(record))["checks"][0]["words"] == words
    report_json(record).encode()


@pytest.mark.parametrize(
    "url",
    [
        URL, "http://shop.example.test/", "https://shop.example.test:8443/a", "https://h/a%20b", "https://h/$PATH",
        "https://h/${OKD_TOKEN}", "https://h/it's", "https://h/a;b&c=d", "https://h/a(b)*!,+@:~",
    ],
)  # fmt: skip
def test_the_address_of_the_environment(url: str) -> None:
    text = dotenv(Record("deploy-route", url=url))
    assert text is not None
    assert text.endswith("\n") and text.count("\n") == 1
    line = DOTENV_LINE.fullmatch(text.strip())
    assert line is not None
    assert line[1] == "MAINTENANCE_URL"
    assert re.fullmatch(r"https?://[\w.:-]+/[\w./%~-]*", line[2], re.ASCII)
    assert unquote(line[2]) == unquote(url)


@pytest.mark.parametrize("url", [None, "", "https://(no host)/", "ftp://h/", "javascript:x", "https://a b/", "/a"])
def test_no_address_is_better_than_a_wrong_one(url: str | None) -> None:
    assert dotenv(Record("deploy-route", url=url)) is None


def test_only_the_job_with_the_environment_names_it() -> None:
    assert set(report_files(full())) == {REPORT, JUNIT, DOTENV}
    for record in (Record("deploy-route"), *(Record(job, url=URL) for job in ("build-and-deploy", "delete", "plan"))):
        assert set(report_files(record)) == {REPORT, JUNIT}


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


def test_every_text_is_rewritten_and_nothing_else() -> None:
    record = full()
    changed: Record = rewritten(record, lambda _text: "x")
    assert set(texts(asdict(changed))) == {"x"}
    assert len(list(texts(asdict(changed)))) == len(list(texts(asdict(record)))) > 30
    assert (changed.began, changed.exit_code, changed.phases[0].seconds) == (BEGAN, 1, 0.5)
    assert record == full()


def test_a_rollback_leaves_reports_when_it_begins(tmp_path: Path) -> None:
    log = JobLog(io.StringIO())
    log.outcome.set("What users see now is not certain.", needs_person=True)
    log.report_rollback("Users do not meet the page.")  # a command without a folder says it, no more
    log.folder = tmp_path
    log.report_rollback("Users do not meet the page.")
    report = json.loads((tmp_path / REPORT).read_text())
    assert (report["exit_code"], report["result"]) == (3, "What users see now is not certain.")
    assert report["error"] == "Users do not meet the page. The rollback has begun; its end is not reported."
    assert report["warnings"] == ["Users do not meet the page."] * 2
