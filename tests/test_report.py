from __future__ import annotations

import io

import pytest

from maintenance_ci.errors import ForbiddenError, MaintenanceError, RefusedError, TryAgainError, VariableError
from maintenance_ci.report import JobLog


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> JobLog:
    return JobLog(stream)


def test_a_phase_says_what_and_how_long(log: JobLog, stream: io.StringIO) -> None:
    with log.phase("Read the Route"):
        log.say("one\ntwo")
    assert stream.getvalue() == "── Read the Route\n   one\n   two\n   done in 0.0 s\n"


@pytest.mark.parametrize(
    ("error", "changed"), [(None, True), (TryAgainError("lost"), True), (ForbiddenError("no"), False)]
)
def test_a_change_whose_answer_was_lost_may_have_been_made(
    log: JobLog, error: MaintenanceError | None, changed: bool
) -> None:
    def change() -> None:
        with log.changing("It is changed.", switched=True):
            if error:
                raise error

    if error is None:
        change()
    else:
        with pytest.raises(type(error)):
            change()
    assert (log.state, log.switched) == (("It is changed.", True) if changed else ("Nothing was changed.", False))


def test_an_interrupt_in_a_change_may_have_made_it(log: JobLog) -> None:
    with pytest.raises(KeyboardInterrupt), log.changing("It is changed.", switched=True):
        raise KeyboardInterrupt
    assert log.switched


def test_a_failure_is_one_line_that_steers_no_terminal(log: JobLog, stream: io.StringIO) -> None:
    assert log.fail(MaintenanceError("The server said\nERROR: x\x1b[31m \r section_end.", "Look.")) == 1
    assert stream.getvalue() == "ERROR: The server said ERROR: x[31m section_end. Nothing was changed. Look.\n"


def test_after_a_switch_the_state_alone_says_what_to_run(log: JobLog, stream: io.StringIO) -> None:
    log.now("Users meet the page. Run the job delete.", switched=True)
    assert log.fail(TryAgainError("It is away.", "Run the job again.")) == 3
    assert stream.getvalue() == "ERROR: It is away. Users meet the page. Run the job delete.\n"


def test_a_fault_of_our_own_says_what_users_see(log: JobLog, stream: io.StringIO) -> None:
    assert log.crash("Traceback (most recent call last):\nKeyError: 'metadata'") == 1
    assert stream.getvalue().startswith("Traceback (most recent call last):\nKeyError: 'metadata'\nERROR: ")
    log.now("Users meet the page.", switched=True)
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


def test_refusals_are_a_line_each(log: JobLog, stream: io.StringIO) -> None:
    refused = RefusedError([MaintenanceError("The page\nis away.", "Build it."), ForbiddenError("No right.")])
    assert log.fail(refused) == 1
    assert stream.getvalue().splitlines() == [
        "ERROR: 2 things stand in the way. Nothing was changed.",
        "   The page is away. Build it.",
        "   No right.",
    ]
    log.now("Users meet the page.", switched=True)
    assert log.fail(refused) == 3
    assert "2 things stand in the way. Users meet the page." in stream.getvalue()


def test_what_is_secret_is_masked(log: JobLog, stream: io.StringIO) -> None:
    log.hidden = ["sha256~very-secret"]
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
