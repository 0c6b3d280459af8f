"""Tables beside peers, of packs and of backbones: what they make of measured times and of files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.against_peers import read_all
from benchmarks.backbones import NETWORKS, REFERENCE, print_backbones, summarise, time_in_turns
from benchmarks.dataset import LabelledImage, LabelledSet
from benchmarks.kept import Kept
from benchmarks.packs import pack_facts, print_packs, reading_facts
from benchmarks.peer_plot import Point, plot_peers
from benchmarks.peers import ReadImage, ReadLine, running
from edge_ocr.metrics import Label
from edge_ocr.pack import load_pack
from tests.benchmarks.test_peers import fake_system

SQUARE = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], np.float32)


def page_of(text: str) -> LabelledImage:
    return LabelledImage(Path(text), text, labels=[Label(SQUARE, text)])


def read_of(text: str, **facts: float) -> ReadImage:
    return ReadImage((ReadLine(text, 0.9, SQUARE),), **{"elapsed_ms": 1.0, **facts})


def test_what_was_read_before_is_not_read_again(tmp_path: Path) -> None:
    pages = LabelledSet("pages", [page_of("a"), page_of("b")])
    counts = []
    for _ in range(2):
        with running([fake_system()], Path("warm-up")) as workers:
            reads = read_all(workers, pages, repeat=1, pause_s=0, kept=Kept(tmp_path / "kept.jsonl"))
            counts.append(workers[0].read(Path("next")).elapsed_ms / 10)
    assert counts == [3, 1]  # images that the worker had read by then, its warm-up among them
    assert len(reads["ours"]) == 2


def test_a_row_of_a_pack_holds_its_sets_apart_and_its_costs_together() -> None:
    sets = [LabelledSet("one", [page_of("yes")]), LabelledSet("two", [page_of("no"), page_of("no")])]
    reads = [
        [read_of("yes", cpu_ms=10, resident_mib=100)],
        [read_of("no", cpu_ms=20, resident_mib=300), read_of("other", cpu_ms=30, resident_mib=200)],
    ]
    facts = reading_facts(sets, reads)
    assert facts["word_f1"] == {"one": 1.0, "two": 0.5}
    assert (facts["cpu_ms_a_page"], facts["resident_mib"]) == (20.0, 300.0)


def test_of_a_pack_on_disk_only_what_was_loaded_is_used() -> None:
    pack = load_pack("latin")
    file = pack.manifest.recognizer.files.fp
    facts = pack_facts(pack, {"recognizer": {"file": file, "precision": "fp"}})
    sizes = [(pack.folder / name).stat().st_size for name in (file, Path(file).with_suffix(".bin"))]
    assert facts["used_mib"] == pytest.approx(sum(sizes) / 2**20, abs=0.01)
    assert facts["disk_mib"] > facts["used_mib"]


def test_the_table_of_packs_is_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    measured = {"disk_mib": 9, "used_mib": 4, "cpu_ms_a_page": 80, "median_ms": 50, "resident_mib": 300}
    start = {"first_text_s": 1.2, "start_cpu_s": 1.1}
    print_packs({"p": {"word_f1": {"s": 0.5}, "precision": {"a": "int8", "b": "fp"}, **measured, **start}})
    header, ruler, row, _ = capsys.readouterr().out.splitlines()
    assert header.startswith("| pack | word F1, s | precision |")
    assert header.count("|") == ruler.count("|") == row.count("|")
    assert row == "| p | 0.500 | int8, fp | 9.0 | 4.0 | 80 | 50 | 300 | 1.20 | 1.10 |"


@pytest.mark.parametrize("name", NETWORKS)
def test_a_backbone_has_the_size_that_was_published(name: str) -> None:
    # PaddleClas, model zoo, in millions.
    published = {
        "LCNet-1.0": 2.96,
        "MobileNetV1-0.75": 2.60,
        "MobileNetV2-0.75": 2.66,
        "MobileNetV3-small-1.0": 2.95,
        "MobileNetV3-large-0.5": 2.69,
    }
    network = NETWORKS[name]().eval()
    assert sum(one.numel() for one in network.parameters()) / 1e6 == pytest.approx(published[name], abs=0.03)
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


def test_backbones_take_turns_and_are_told_as_parts_of_lcnet(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []
    times_ms = time_in_turns({"a": lambda _: calls.append("a"), "b": lambda _: calls.append("b")}, rounds=3)
    assert calls[:4] == ["a", "b", "a", "b"]
    assert [len(found) for found in times_ms.values()] == [3, 3]
    found = summarise({REFERENCE: [2.0, 4.0, 2.0], "MobileNetV1-0.75": [4.0, 8.0, 40.0]})
    assert found["MobileNetV1-0.75"]["times_lcnet"] == 2.0
    print_backbones({name: {"parameters": 1_500_000, **one} for name, one in found.items()})
    assert "| MobileNetV1-0.75 | 1.50 | 8.00 | 36.80 | 2.00 | 1.23 |" in capsys.readouterr().out


def test_the_picture_has_a_panel_a_set(tmp_path: Path) -> None:
    points = [Point("ours", 100.0, 0.9, False), Point("rapid", 300.0, 0.8, True)]
    path = tmp_path / "peers.png"
    plot_peers({"one": points, "two": points, "three": points}, path)
    assert path.read_bytes().startswith(b"\x89PNG")
