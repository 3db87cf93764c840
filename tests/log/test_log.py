from __future__ import annotations

import contextlib
import io
import json
import time
from itertools import pairwise
from pathlib import Path

import pytest

from maintenance_ci.errors import (
    ForbiddenError,
    MaintenanceError,
    RefusedError,
    TryAgainError,
    UnsafeError,
    VariableError,
)
from maintenance_ci.log.log import UNKNOWN, JobLog
from maintenance_ci.log.report_files import DOTENV, JUNIT, REPORT
from maintenance_ci.log.sections import section_end, section_start
from tests.tools.gitlab_reader import read_gitlab


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> JobLog:
    return JobLog(stream)


def test_a_phase_says_what_it_does_and_how_long_it_took(log: JobLog, stream: io.StringIO) -> None:
    with log.phase("Read the Route"):
        log.say("one\ntwo")
    assert stream.getvalue() == "── Read the Route\n   one\n   two\n   done in 0.0 s\n"


def test_a_failure_is_one_line_that_steers_no_terminal(log: JobLog, stream: io.StringIO) -> None:
    assert log.fail(MaintenanceError("The server said\nERROR: x\x1b[31m \r section_end.", "Look.")) == 1
    assert stream.getvalue() == "ERROR: The server said ERROR: x[31m section_end. Nothing was changed. Look.\n"


def test_after_a_switch_the_state_alone_says_what_to_run(log: JobLog, stream: io.StringIO) -> None:
    log.outcome.set("Users meet the page.", next_step="Run the job delete.", needs_person=True)
    assert log.fail(TryAgainError("It is away.", run_again=True)) == 3
    assert stream.getvalue() == "ERROR: It is away. Users meet the page. Run the job delete.\n"


def test_a_fault_of_our_own_says_what_users_see(log: JobLog, stream: io.StringIO) -> None:
    assert log.crash("Traceback (most recent call last):\nKeyError: 'metadata'") == 1
    assert stream.getvalue().startswith("Traceback (most recent call last):\nKeyError: 'metadata'\nERROR: ")
    log.outcome.set("Users meet the page.", needs_person=True)
    assert log.crash("") == 3
    assert "Users meet the page." in stream.getvalue().splitlines()[-1]


def test_faults_of_variables(log: JobLog, stream: io.StringIO) -> None:
    assert log.fail(VariableError(["A: is missing"])) == 2
    assert log.fail(VariableError(["A: is missing", "B: is wrong"])) == 2
    assert stream.getvalue().splitlines() == [
        "ERROR: A: is missing. Nothing was changed.",
        "ERROR: 2 variables are wrong. Nothing was changed.",
        "   A: is missing",
        "   B: is wrong",
    ]


def test_each_refusal_has_a_line(log: JobLog, stream: io.StringIO) -> None:
    refused = RefusedError([MaintenanceError("The page\nis away.", "Build it."), ForbiddenError("No right.")])
    assert log.fail(refused) == 1
    assert stream.getvalue().splitlines() == [
        "ERROR: 2 things stand in the way. Nothing was changed.",
        "   The page is away. Build it.",
        "   No right.",
    ]
    log.outcome.set("Users meet the page.", needs_person=True)
    assert log.fail(refused) == 3
    assert "2 things stand in the way. Users meet the page." in stream.getvalue()


def test_what_is_secret_is_masked(log: JobLog, stream: io.StringIO) -> None:
    log.redaction.secrets = ["sha256~very-secret"]
    log.say("Authorization: Bearer sha256~very-secret\nnot secret")
    log.crash("KeyError: 'sha256~very-secret'")
    assert "very-secret" not in stream.getvalue()
    assert "not secret" in stream.getvalue()


def test_a_private_key_is_masked_from_its_beginning_to_its_end(log: JobLog, stream: io.StringIO) -> None:
    log.say("key: -----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----\nafterwards")
    assert "MIIE" not in stream.getvalue() and "IBAAKC" not in stream.getvalue()
    assert stream.getvalue().endswith("   afterwards\n")
    log.say("-----BEGIN PRIVATE KEY-----MIIEow-----END PRIVATE KEY-----\nafterwards")
    assert "MIIE" not in stream.getvalue()
    assert stream.getvalue().count("afterwards") == 2
    log.say("-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----")
    assert "MIIC" in stream.getvalue()


@pytest.mark.parametrize("end", ["-----END RSA PRIVATE KEY-----", ""])
def test_an_error_that_quotes_a_key_still_says_what_happened(log: JobLog, stream: io.StringIO, end: str) -> None:
    quoted = f'spec.tls.key: Invalid value: "-----BEGIN RSA PRIVATE KEY-----\\nMIIEow\\n{end}": field is immutable.'
    log.fail(MaintenanceError(f"The cluster refuses (HTTP 422): {quoted}", "Correct the template."))
    rest = '": field is immutable.' if end else ""
    assert stream.getvalue() == (
        f'ERROR: The cluster refuses (HTTP 422): spec.tls.key: Invalid value: "[hidden]{rest} '
        "Nothing was changed. Correct the template.\n"
    )


class Gone(io.StringIO):
    """A stream whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_log_that_nobody_reads_any_more_ends_nothing() -> None:
    log, done = JobLog(Gone()), False
    with log.phase("Roll back"):
        log.say("what nobody reads")
        done = True
    assert done
    assert log.fail(MaintenanceError("It broke.")) == 1


def test_an_end_without_a_beginning_hides_nothing(log: JobLog, stream: io.StringIO) -> None:
    log.say("-----END RSA PRIVATE KEY-----\nthis is read")
    log.say("-----BEGIN RSA PRIVATE KEY-----\nMIIEow")
    with log.phase("Another phase"):
        log.say("this as well")
    assert "this is read" in stream.getvalue() and "this as well" in stream.getvalue()
    assert "MIIE" not in stream.getvalue()


def test_two_keys_of_one_line(log: JobLog, stream: io.StringIO) -> None:
    key = "-----BEGIN EC PRIVATE KEY-----x-----END EC PRIVATE KEY-----"
    log.say(f"a {key} b {key} c")
    assert stream.getvalue() == "   a [hidden] b [hidden] c\n"


def test_no_commands_are_given_that_would_harm_users(log: JobLog, stream: io.StringIO) -> None:
    log.outcome.set("Nothing was changed.", manual_steps=["oc delete route shop"])
    log.fail(RefusedError([MaintenanceError("A right lacks."), UnsafeError("The application is not ready.")]))
    assert "oc delete" not in stream.getvalue()
    log.outcome.set("Nothing was changed.", manual_steps=["oc delete route shop"])
    log.fail(RefusedError([MaintenanceError("A right lacks."), MaintenanceError("And another.")]))
    assert "oc delete" in stream.getvalue()


def test_a_warning_stands_out_and_steers_no_terminal(log: JobLog, stream: io.StringIO) -> None:
    with log.phase("Check"):
        log.warn("The server said \x1b[31mthis, which counts.")
    assert stream.getvalue().splitlines()[1] == "   WARNING: The server said [31mthis, which counts."


COMMANDS = ["oc delete route ours -n web", "oc delete secret kept -n web"]
BY_HAND = [
    "To end the maintenance by hand, where the job cannot be run again:",
    "   oc delete route ours -n web",
    "   oc delete secret kept -n web",
]
REFUSALS: list[MaintenanceError] = [MaintenanceError("The page is away."), ForbiddenError("No right.")]


@pytest.mark.parametrize("error", [TryAgainError("It is away."), RefusedError(REFUSALS)], ids=["one", "several"])
def test_a_failure_says_what_a_person_can_do_by_hand(log: JobLog, stream: io.StringIO, error: MaintenanceError) -> None:
    log.outcome.set("Users meet the page.", needs_person=True, manual_steps=COMMANDS)
    assert log.fail(error) == 3
    lines = stream.getvalue().splitlines()
    assert lines[:3] == BY_HAND
    assert lines[3].startswith("ERROR: ")


def test_so_does_a_fault_of_our_own(log: JobLog, stream: io.StringIO) -> None:
    log.outcome.set("Users meet the page.", needs_person=True, manual_steps=COMMANDS)
    log.crash("KeyError: 'metadata'")
    assert stream.getvalue().splitlines()[1:4] == BY_HAND


def test_the_commands_stay_until_others_are_given(log: JobLog, stream: io.StringIO) -> None:
    log.outcome.set("Users meet the page.", needs_person=True, manual_steps=COMMANDS)
    log.outcome.set("It may be changed.", needs_person=True)
    assert (log.outcome.users, log.outcome.manual_steps) == ("It may be changed.", COMMANDS)
    log.outcome.set("It was rolled back.", manual_steps=[])
    assert log.fail(MaintenanceError("It broke.")) == 1
    assert stream.getvalue() == "ERROR: It broke. It was rolled back.\n"


def test_a_blank_line_precedes_the_end_unless_it_is_all_there_is(log: JobLog, stream: io.StringIO) -> None:
    log.end("It is done.", "Next: delete.")
    log.end('{"a": 1}', blank=False)
    assert stream.getvalue() == '\nIt is done.\nNext: delete.\n{"a": 1}\n'


def unfolded(stream: io.StringIO) -> list[str]:
    """The lines as a person sees them, sections' markers and colours left out; fails where these are not balanced."""
    read = read_gitlab(stream.getvalue())
    assert read.open_sections == [], read
    return read.lines


def test_outside_of_gitlab_there_is_no_escape_code(log: JobLog, stream: io.StringIO) -> None:
    with log.phase("Build", collapsed=True):
        log.warn("careful")
    log.fail(MaintenanceError("It broke."))
    assert "\x1b" not in stream.getvalue() and "section_" not in stream.getvalue()


def test_in_gitlab_a_phase_is_a_section(stream: io.StringIO) -> None:
    log = JobLog(stream, gitlab=True)
    with log.phase("Read"):
        log.say("one")
    with log.phase("Build", collapsed=True), log.phase("Inner"):
        log.warn("careful")
    read = read_gitlab(stream.getvalue())
    assert [(section.heading, section.collapsed, section.depth) for section in read.sections] == [
        ("── Read", False, 0), ("── Build", True, 0), ("── Inner", False, 1),
    ]  # fmt: skip
    assert len({section.name for section in read.sections}) == 3
    assert read.open_sections == []
    assert ("   WARNING: careful", "33;1") in read.coloured


def test_a_section_ends_with_its_phase_however_that_ends(stream: io.StringIO) -> None:
    log = JobLog(stream, gitlab=True)
    for error in (MaintenanceError("no"), KeyError("a fault"), KeyboardInterrupt()):
        with pytest.raises(type(error)), log.phase("Try"):
            raise error
    assert [line for line in unfolded(stream) if "failed after" in line] == ["   failed after 0.0 s"] * 3
    assert [phase.outcome for phase in log.record.phases] == ["failed"] * 3


def test_the_reader_of_these_tests_sees_what_is_not_balanced() -> None:
    begin, end = section_start("a", "A", now=1, collapsed=False), section_end("a", now=2)
    assert read_gitlab(f"{begin}\n").open_sections == ["a"]
    assert read_gitlab(f"{begin}\n{end}\n").open_sections == []
    with pytest.raises(AssertionError):
        read_gitlab(f"{end}\n")


def test_nobody_forges_sections_or_colours(stream: io.StringIO) -> None:
    log = JobLog(stream, gitlab=True)
    forged = [section_start("x", "X", now=1, collapsed=True), section_end("maintenance-1-1", now=2), "\x1b[31mred"]
    with log.phase(f"Read {forged[0]}"):
        for line in forged:
            log.say(line)
            log.warn(line)
    log.fail(MaintenanceError(" ".join(forged)))
    read = read_gitlab(stream.getvalue())
    assert len(read.sections) == 1
    assert read.open_sections == []
    assert "31m" not in {colour for _, colour in read.coloured}


@pytest.mark.parametrize(("job", "by_hand", "framed"), [
    ("delete", ["oc delete route ours"], True), ("delete", [], True), ("deploy-route", ["oc delete route ours"], True),
    ("deploy-route", [], False),
])  # fmt: skip
def test_a_failure_that_needs_a_person_is_framed(
    stream: io.StringIO, job: str, by_hand: list[str], framed: bool
) -> None:
    log = JobLog(stream, job=job, gitlab=True)
    log.outcome.set("Users still meet the page.", needs_person=True, manual_steps=by_hand)
    assert log.fail(RefusedError([MaintenanceError("One."), MaintenanceError("Two.")])) == 3
    read = read_gitlab(stream.getvalue())
    assert {colour for _, colour in read.coloured} == {"31;1"}
    assert [text for text, _ in read.coloured] == read.lines
    rules = [number for number, line in enumerate(read.lines) if set(line) == {"="}]
    assert len(rules) == (2 if framed else 0)
    if framed:
        inside = read.lines[rules[0] + 1 : rules[1]]
        assert inside[0] == f"THE JOB {job} HAS FAILED. Users still meet the page."
        assert [line.strip() for line in inside[2:]] == by_hand
        assert (inside[1] == UNKNOWN) is (by_hand == [])
    assert read.lines[-3].startswith("ERROR: 2 things stand in the way.")


def test_checks_are_recorded_with_what_came_of_them(log: JobLog) -> None:
    refused, away = ForbiddenError("No right.", "Ask."), TryAgainError("It is away.")
    for name, error in (("a", None), ("b", refused), ("c", away), ("d", KeyError("x")), ("e", KeyboardInterrupt())):
        with contextlib.suppress(MaintenanceError, KeyError, KeyboardInterrupt), log.check(name):
            if error:
                raise error
    with log.check("f") as warnings:
        warnings.append("careful")
    assert [(check.name, check.outcome, check.words) for check in log.record.checks] == [
        ("a", "passed", ""), ("b", "refused", "No right. Ask."), ("c", "failed", "It is away."),
        ("d", "failed", "KeyError"), ("e", "failed", "The job was stopped."), ("f", "warned", "careful"),
    ]  # fmt: skip


def test_silence_is_broken(stream: io.StringIO) -> None:
    silence, began = 0.2, time.monotonic()
    log = JobLog(stream, silence=silence)
    with log.alive(), log.phase("Wait"):
        while stream.getvalue().count("still at work") < 2:
            time.sleep(0.05)
    signs = [line for line in stream.getvalue().splitlines() if line.startswith("   still at work after ")]
    assert len(signs) <= (time.monotonic() - began) / silence  # no more often than that
    assert all(line.endswith(" s: Wait") for line in signs)


def test_a_job_within_another_one(stream: io.StringIO) -> None:
    """The same lines, and sections of other names; its outcome and its last words are not the outer one's."""
    outer = JobLog(stream, job="rehearse", gitlab=True)
    outer.redaction.secrets = ["s3cret-token"]
    inner = outer.of_job("delete")
    with outer.phase("Outer"), inner.phase("Inner"):
        inner.say("with s3cret-token")
        inner.outcome.set("Half done.", needs_person=True)
    inner.end("Click the job delete.")
    read = read_gitlab(stream.getvalue())
    assert read.open_sections == []
    assert len({section.name for section in read.sections}) == 2
    assert "s3cret-token" not in stream.getvalue()
    assert "Click" not in stream.getvalue()
    assert (inner.record.result, inner.record.job, outer.record.result) == ("Click the job delete.", "delete", None)
    assert not outer.outcome.needs_person


def test_a_log_that_speaks_gets_no_signs_of_life(stream: io.StringIO) -> None:
    silence = 0.8
    log = JobLog(stream, silence=silence)
    spoken = [time.monotonic()]
    with log.alive():
        for number in range(12):
            time.sleep(0.1)
            log.say(str(number))
            spoken.append(time.monotonic())
    time.sleep(1)
    if max(after - before for before, after in pairwise(spoken)) >= silence:
        pytest.skip(f"machine too busy: this process could not speak for {silence} s")
    assert "still" not in stream.getvalue()


def test_reports_hold_no_secret_and_nothing_of_another_job(log: JobLog, tmp_path: Path) -> None:
    (tmp_path / DOTENV).write_text("MAINTENANCE_URL=https://old.example.test/\n")
    log.redaction.secrets = ['sha256~"very"-secret']
    log.record.job, log.record.url = "deploy-route", "https://shop.example.test/"
    log.forget_reports(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with contextlib.suppress(MaintenanceError), log.check('is sha256~"very"-secret'):
        raise MaintenanceError('Bearer sha256~"very"-secret\n-----BEGIN PRIVATE KEY-----\nMIIE')
    with log.phase('for sha256~"very"-secret'), log.check("this one is not masked") as warnings:
        warnings.append("nor this")
    log.leave_reports(tmp_path, log.fail(MaintenanceError('sha256~"very"-secret \x1b[31m')))
    texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(texts) == {REPORT, JUNIT, DOTENV}
    for text in texts.values():
        assert "very" not in text and "MIIE" not in text and "\x1b" not in text
    report = json.loads(texts[REPORT])
    assert report["error"] == "[hidden] [31m Nothing was changed."
    assert report["checks"][1] == {"name": "this one is not masked", "outcome": "warned", "words": "nor this"}
    assert (report["exit_code"], report["result"]) == (1, "Nothing was changed.")


def test_a_failure_to_write_a_report_is_logged(log: JobLog, stream: io.StringIO, tmp_path: Path) -> None:
    (tmp_path / REPORT).mkdir()
    log.forget_reports(tmp_path)
    log.leave_reports(tmp_path, 0)
    assert stream.getvalue() == f"   WARNING: The report {REPORT} could not be written: Is a directory.\n"
    assert (tmp_path / JUNIT).is_file()
    log.leave_reports(tmp_path / "nowhere", 0)
    assert stream.getvalue().count("could not be written: No such file or directory.") == 2


def test_a_warning_of_several_lines_is_one(log: JobLog, stream: io.StringIO) -> None:
    log.warn("The server says\nthat it is away.")
    assert stream.getvalue() == "   WARNING: The server says that it is away.\n"


def test_a_private_key_without_an_end_does_not_hide_how_the_job_ended(log: JobLog, stream: io.StringIO) -> None:
    log.say("-----BEGIN PRIVATE KEY-----\nMIIEow")
    log.fail(MaintenanceError("It broke.", "Look at it."))
    assert "MIIE" not in stream.getvalue()
    assert stream.getvalue().endswith("ERROR: It broke. Nothing was changed. Look at it.\n")
