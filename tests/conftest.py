"""What was left out because something is missing is said loudly, and where all of it has to run, it is a failure."""

import logging
import os
from collections import Counter
from collections.abc import Iterator

import pytest

ALL_OF_IT = "EDGE_OCR_ALL_TESTS"
"""Set where no test may be left out, whatever it wants: in `.ci/run`."""

EXCUSES = ("make test-wheel", "not allowed here")
"""In the reasons of tests that are a step of their own, or need rights that no installation gives."""


@pytest.fixture(autouse=True)
def _no_log_outlives_its_test() -> Iterator[None]:
    """A command's log goes to the stderr of the test that called it, which is closed when the next one logs."""
    yield
    for handler in list(logging.root.handlers):
        if type(handler) is logging.StreamHandler:  # not those of pytest, which derive from it
            logging.root.removeHandler(handler)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reason, count in _left_out(terminalreporter).items():
        terminalreporter.write_sep("!", f"LEFT OUT: {count} tests: {reason}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    is_ok = session.exitstatus == pytest.ExitCode.OK
    if not os.environ.get(ALL_OF_IT) or reporter is None or not is_ok:
        return
    if any(not any(excuse in reason for excuse in EXCUSES) for reason in _left_out(reporter)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _left_out(reporter: pytest.TerminalReporter) -> Counter[str]:
    """How many tests were left out, by reason."""
    reports = reporter.stats.get("skipped", [])
    reasons = (str(report.longrepr[2]) for report in reports if isinstance(report.longrepr, tuple))
    return Counter(reason.removeprefix("Skipped: ") for reason in reasons)
