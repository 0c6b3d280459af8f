"""What was left out because a program is missing is said loudly, and where all of it has to run, it is a failure."""

import os
from collections import Counter

import pytest

ALL_OF_IT = "EDGE_OCR_ALL_TESTS"
"""Set where no test may be left out for want of a program: in `.ci/run`."""


INSTALL = "apt-get install"
"""In the reason of every test that is left out for want of a program: how to get it."""


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reason, count in _left_out(terminalreporter).items():
        terminalreporter.write_sep("!", f"LEFT OUT: {count} tests: {reason}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    is_ok = session.exitstatus == pytest.ExitCode.OK
    if os.environ.get(ALL_OF_IT) and reporter is not None and is_ok and _left_out(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _left_out(reporter: pytest.TerminalReporter) -> Counter[str]:
    """How many tests were left out, by reason."""
    reports = reporter.stats.get("skipped", [])
    reasons = (str(report.longrepr[2]) for report in reports if isinstance(report.longrepr, tuple))
    return Counter(reason.removeprefix("Skipped: ") for reason in reasons if INSTALL in reason)
