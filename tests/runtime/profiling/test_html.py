"""The latency report as a page, and the commands that make it of what was measured before."""

import argparse
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge_ocr import ConfigError
from runtime.commands import profile as command
from runtime.profiling.html import check_html, columns_of, differences, format_number, html_text
from runtime.profiling.remarks import remarks
from runtime.profiling.report import ProfileReport, read_report
from tests.runtime.profiling.reports import disturbance, report_of, run_of

VOID = {"meta", "link", "br", "img"}


class Outline(HTMLParser):
    """Open elements, texts, ids and addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [str(value) for name, value in attrs if name in {"src", "href", "xlink:href"}]
        self.ids += [str(value) for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts += [data.strip()] if data.strip() else []


@pytest.fixture(scope="module")
def report() -> ProfileReport:
    run = run_of("generic-cpu", [20.0 + index % 7 for index in range(140)])
    return report_of(run.model_copy(update={"pack": {"name": "<b>toy</b>", "version": "1"}}))


@pytest.fixture(scope="module")
def page(report: ProfileReport) -> str:
    pytest.importorskip("matplotlib")
    return html_text(report)


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def test_the_page_is_whole(page: str) -> None:
    assert Outline(page).open == []


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    # Only names inside the page; namespaces are names as well, and nothing fetches them.
    assert [address for address in Outline(page).addresses if not address.startswith("#")] == []
    assert "@import" not in page
    assert re.findall(r"url\((?!#)", page) == []
    assert "<script" not in page


def test_ids_that_are_used_are_there(page: str) -> None:
    outline = Outline(page)
    used = {address.removeprefix("#") for address in outline.addresses} | set(re.findall(r"url\(#([^)]+)\)", page))
    assert used <= set(outline.ids)


def test_the_charts_take_the_colours_of_the_page(page: str) -> None:
    assert "#0a0b" not in page
    assert "var(--series-0)" in page
    assert "currentColor" in page


def test_the_page_shows_what_was_measured(page: str) -> None:
    texts = Outline(page).texts
    assert "AMD EPYC" in " ".join(texts)
    assert {"capture_to_publish", "rendered", "passed", "Where the time goes", "What a line costs"} <= set(texts)


def test_what_cannot_be_said_is_a_dash(report: ProfileReport, page: str) -> None:
    assert report.runs[0].reader.stages["total"].p99 is None
    assert "Too few samples for p99 of the reader: 140; they are not printed." in page
    row = page[page.index("a read, p99") :].partition("</tr>")[0]
    assert ">–</td>" in row


def test_names_are_escaped(page: str) -> None:
    assert "&lt;b&gt;toy&lt;/b&gt;" in page
    assert "<b>toy</b>" not in page


def test_profiles_and_reports_stand_side_by_side(report: ProfileReport) -> None:
    pytest.importorskip("matplotlib")
    before = report_of(run_of("generic-cpu", [30.0] * 9), created="2025-12-31T10:00:00Z", versions={"numpy": "1"})
    text = html_text(report_of(*report.runs, run_of("fast", [5.0] * 9, with_stream=False)), before)
    assert Outline(text).open == []
    for label in ("generic-cpu, 2026-01-01 00:00", "fast, 2026-01-01 00:00", "generic-cpu, 2025-12-31 10:00"):
        assert label in text
    assert "What is not the same" in text


def test_two_columns_never_have_one_name() -> None:
    run = run_of("mine", [1.0])
    assert [column.label for column in columns_of(report_of(run, run))] == ["mine (1)", "mine (2)"]


def test_what_differs_is_found(report: ProfileReport) -> None:
    changes = {"threads": 1, "profile": {"name": "fast", "precision": {"a": "fp"}}, "pack": report.runs[0].pack}
    columns = columns_of(report_of(*report.runs, run_of("fast", [5.0]).model_copy(update=changes)))
    found = dict(differences(columns))
    assert found == {"threads": ["2", "1"], "profile: precision.a": ["–", "fp"]}


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0.00"), (3.456, "3.46"), (34.56, "34.6"), (345.6, "346"), (99.96, "100")]
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert format_number(value) == text


def test_a_busy_and_a_throttled_machine_are_remarked() -> None:
    run = run_of("generic-cpu", [20.0] * 700)
    assert remarks(report_of(run), run) == []
    busy = disturbance(others_cores=0.9, stolen_share=0.2, throttled_s=1.5, hot_throttles=3)
    said = " ".join(
        remarks(report_of(run), run.model_copy(update={"reader": run.reader.model_copy(update={"disturbance": busy})}))
    )
    for text in ("0.9 cores busy", "20% of the CPUs' time", "held us back for 1.5 s", "because of heat 3 times"):
        assert text in said


def test_a_report_is_read_back(report: ProfileReport, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(report.to_json())
    again = read_report(path)
    assert again.to_json() == report.to_json()
    assert [run.accuracy for run in again.runs] == [run.accuracy for run in report.runs]


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "edge-ocr.profile/1"}', "[1, 2]"])
def test_what_is_no_report_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ConfigError, match=r"other\.json: not a report of this version") as refused:
        read_report(tmp_path / "other.json")
    assert "\n" not in str(refused.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_report(tmp_path / "none.json")


def test_a_page_is_made_of_what_was_measured_before(
    report: ProfileReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    source, page = tmp_path / "report.json", tmp_path / "report.html"
    source.write_text(report.to_json())
    assert command.run(parse("--from", str(source), "--beside", str(source), "--html", str(page))) == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "=== profile generic-cpu" in capsys.readouterr().out


def test_reports_are_laid_beside_in_a_page_only() -> None:
    with pytest.raises(ConfigError, match=r"--beside: .* name a file for it"):
        command.run(parse("--beside", "old.json"))


def test_nothing_is_measured_for_a_report_that_is_there() -> None:
    with pytest.raises(ConfigError, match="--from measures nothing"):
        command.run(parse("--from", "old.json", "--seconds", "5"))


def test_a_missing_library_is_said_before_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ConfigError, match=r"--html needs Jinja2: pip install 'edge-ocr\[report\]'"):
        check_html()
