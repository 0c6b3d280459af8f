"""docs/latency.md tells the truth: its commands are understood, its names are those of the program."""

import argparse
import importlib
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from runtime.monitoring.latency import MIN_SAMPLES
from runtime.profiling.fits import Verdict

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "latency.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.replace("\\\n", "").splitlines()
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_is_understood(words: list[str]) -> None:
    assert words[0] == "edge-ocr"
    parser = argparse.ArgumentParser()
    importlib.import_module(f"runtime.commands.{words[1]}").add_arguments(parser)
    parser.parse_args(words[2:])


def test_every_verdict_is_explained() -> None:
    assert [verdict for verdict in get_args(Verdict) if f"\n| `{verdict}` |" not in TEXT] == []


def test_the_samples_of_the_percentiles_are_right() -> None:
    for share, count in MIN_SAMPLES.items():
        if share > 0.5:
            assert f"p{round(100 * share)} from {count}" in TEXT


@pytest.mark.parametrize("heading", re.findall(r"^\| ([A-Z][^|]+?) \|", TEXT, re.MULTILINE))
def test_the_sections_are_those_of_the_page(heading: str) -> None:
    page = (ROOT / "runtime" / "profiling" / "report.html.j2").read_text(encoding="utf-8")
    headings = re.findall(r"<h2>([^<]+)</h2>", page)
    assert heading in headings or heading == "Machine, settings and networks"
