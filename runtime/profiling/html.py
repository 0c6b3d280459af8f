"""The latency report as one HTML file: a view of the JSON, with the charts inside, that needs no network.

Jinja2 and matplotlib are imported only when the file is wanted: they come with the extra `report`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from edge_ocr.errors import ConfigError
from runtime.files import write_file
from runtime.monitoring.latency import MIN_SAMPLES, StageSummary, stage_rank
from runtime.profiling import charts
from runtime.profiling.charts import Curve
from runtime.profiling.plots import import_matplotlib
from runtime.profiling.remarks import remarks
from runtime.profiling.report import ProfileReport, ProfileRun

TEMPLATE = "report.html.j2"
NOTHING = "–"
"""What a cell shows where there is no figure."""


@dataclass(frozen=True, slots=True)
class Column:
    """One measured profile of one report."""

    label: str
    number: int
    report: ProfileReport
    run: ProfileRun


def check_html() -> None:
    """Refuse a page that could not be made, before minutes of measuring.

    Raises:
        ConfigError: Jinja2 or matplotlib is missing.
    """
    _import_jinja()
    import_matplotlib()


def write_html(path: Path, report: ProfileReport, *beside: ProfileReport) -> None:
    """Write a report, with earlier ones laid beside it, as one file.

    Args:
        path: The file.
        report: With at least one run.
        beside: Others to compare it with.

    Raises:
        ConfigError: Jinja2 or matplotlib is missing.
        EdgeOcrError: the file cannot be written.
    """
    write_file(path, html_text(report, *beside).encode())


def html_text(report: ProfileReport, *beside: ProfileReport) -> str:
    """The page; see `write_html`."""
    jinja2 = _import_jinja()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"ms": format_number, "share": format_share, "plain": format_plain}
    columns = columns_of(report, *beside)
    curves = [Curve(column.label, column.run, column.number) for column in columns]
    return str(
        environment.get_template(TEMPLATE).render(
            report=report,
            beside=beside,
            columns=columns,
            remarks={column.number: remarks(column.report, column.run) for column in columns},
            differences=list(differences(columns)) if len(columns) > 1 else [],
            stages=stages_of,
            min_samples={f"p{round(100 * share)}": count for share, count in MIN_SAMPLES.items()},
            stage_charts=charts.stage_charts(curves),
            histogram_charts=charts.histogram_charts(curves),
            time_charts=charts.time_charts(curves),
            lines_chart=charts.lines_chart(curves),
            queue_charts=charts.queue_charts(curves, report.input.fps),
        )
    )


def columns_of(*reports: ProfileReport) -> list[Column]:
    """Every run of every report, named so that no two have one name."""
    runs = [(report, run) for report in reports for run in report.runs]
    several = len(reports) > 1
    labels = [f"{run.name}, {report.created[:16].replace('T', ' ')}" if several else run.name for report, run in runs]
    unique = [
        f"{label} ({labels[:number].count(label) + 1})" if labels.count(label) > 1 else label
        for number, label in enumerate(labels)
    ]
    return [Column(unique[number], number, report, run) for number, (report, run) in enumerate(runs)]


def differences(columns: Sequence[Column]) -> Iterator[tuple[str, list[str]]]:
    """What is not the same in all columns: name of the fact, and its value in each."""
    facts = [_facts(column) for column in columns]
    for name in dict.fromkeys(chain.from_iterable(facts)):
        values = [format_plain(one.get(name)) for one in facts]
        if len(set(values)) > 1:
            yield name, values


def stages_of(columns: Sequence[Column], part: str) -> list[tuple[str, list[StageSummary | None]]]:
    """Per stage of a part its summary in each column."""
    tables: list[Mapping[str, StageSummary]] = [getattr(getattr(column.run, part), "stages", {}) for column in columns]
    names = sorted(dict.fromkeys(chain.from_iterable(tables)), key=stage_rank)
    return [(name, [table.get(name) for table in tables]) for name in names]


def format_number(value: float | None) -> str:
    """A number with three significant digits, as far as they matter; a dash for None."""
    if value is None:
        return NOTHING
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f}"


def format_share(value: float | None) -> str:
    """A share as per cent; a dash for None."""
    return NOTHING if value is None else f"{100 * value:.1f} %"


def format_plain(value: Any) -> str:
    """A value of a profile or a fact as text."""
    if isinstance(value, (list, tuple)):
        joint = "×" if value and all(isinstance(item, (int, float)) for item in value) and len(value) == 2 else " "
        return joint.join(map(format_plain, value)) or NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else NOTHING if value in {None, ""} else str(value)


def _facts(column: Column) -> dict[str, Any]:
    report, run = column.report, column.run
    host = report.host.model_dump(exclude={"load_average_1min", "instruction_sets"})
    return {
        **{f"machine: {name}": value for name, value in host.items()},
        "machine: instruction sets": " ".join(report.host.instruction_sets),
        **{f"version of {name}": value for name, value in report.versions.items()},
        "input": report.input.path,
        "pack": f"{run.pack.get('name')} {run.pack.get('version', '')}, {run.pack.get('sha256', '')[:12]}",
        "threads": run.threads,
        "streams": run.streams,
        **{f"profile: {name}": value for name, value in _flat(run.profile)},
        **{f"{network}: precision": facts.get("precision") for network, facts in run.networks.items()},
    }


def _flat(profile: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in profile.items():
        if name in {"name", "description", "match"} and not above:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _import_jinja() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise ConfigError("--html needs Jinja2: pip install 'edge-ocr[report]'") from error
    return jinja2
