"""The driver, against a worker that reads the file's name."""

import argparse
import sys
from pathlib import Path

import pytest

from benchmarks.peers import PeerError, ReadImage, System, Worker, read_in_turn, running
from benchmarks.systems import OURS, add_system_options, chosen_systems, peer_system
from benchmarks.worker import tesseract_lines
from edge_ocr.errors import ConfigError

FAKE_WORKER = """
import json, sys
name = sys.argv[1]
print(json.dumps({"error": "no model"} if name == "unable" else {"system": name}), flush=True)
for number, row in enumerate(sys.stdin):
    path = json.loads(row)["image"]
    if path == "broken":
        print(json.dumps({"error": "broken: not an image"}), flush=True)
        continue
    if path == "crash":
        sys.exit(3)
    quad = [[0, 0], [4, 0], [4, 2], [0, 2]]
    lines = [{"text": path, "score": 0.5, "quad": quad}, {"text": name, "score": 1.0, "quad": quad}]
    taken = {"ms": 10.0 * number, "cpu_ms": 5.0, "resident_mib": 100.0}
    print(json.dumps({**taken, "lines": lines}), flush=True)
"""


def fake_system(name: str = OURS) -> System:
    return System(name, [sys.executable, "-I", "-S", "-c", FAKE_WORKER, name])


def test_systems_read_in_turn_and_the_time_is_the_median_of_the_rounds() -> None:
    with running([fake_system(), fake_system("peer")], Path("warm-up")) as workers:
        reads = read_in_turn(workers, Path("page"), repeat=3)
    assert [(name, read.text, read.elapsed_ms) for name, read in reads.items()] == [
        ("ours", "page ours", 20.0),  # the warm-up took 0, the rounds 10, 20 and 30
        ("peer", "page peer", 20.0),
    ]
    assert reads["ours"].lines[0].quad.shape == (4, 2)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        pytest.param("broken", "ours: broken: not an image", id="an image that cannot be read"),
        pytest.param("crash", "ours: ended with status 3", id="a worker that stops"),
    ],
)
def test_what_a_worker_cannot_do_is_said_with_its_name(image: str, message: str) -> None:
    with Worker(fake_system()) as worker, pytest.raises(PeerError, match=message):
        worker.read(Path(image))


def test_a_worker_that_cannot_start_is_said_with_its_name() -> None:
    with pytest.raises(PeerError, match="peer: cannot start /no/python"):
        Worker(System("peer", ["/no/python"]))


def test_a_worker_that_cannot_load_says_why() -> None:
    with pytest.raises(PeerError, match="unable: no model"):
        Worker(fake_system("unable"))


@pytest.mark.parametrize(
    ("peer", "message"),
    [
        pytest.param("easyocr=/usr/bin/python3", "unknown system 'easyocr'", id="an unknown peer"),
        pytest.param("rapid4-ov", "no program at ''", id="no interpreter given"),
        pytest.param("rapid4-ov=/no/python", "no program at '/no/python'", id="no such interpreter"),
        pytest.param("tesseract=/no/tesseract", "no program at '/no/tesseract'", id="no such program"),
    ],
)
def test_a_wrong_peer_option_is_refused(peer: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        peer_system(peer, cpus=1)


def test_a_peer_gets_its_own_interpreter_and_no_more_cpus_than_there_are() -> None:
    command = peer_system(f"rapid4-ov={sys.executable}", cpus=1, line=True).command
    assert command[0] == sys.executable
    assert "--line" in command
    with pytest.raises(ConfigError, match="--cpus 1000000"):
        peer_system(f"rapid4-ov={sys.executable}", cpus=1_000_000)


def systems_of(*arguments: str) -> list[System]:
    parser = argparse.ArgumentParser()
    add_system_options(parser)
    return chosen_systems(parser.parse_args(["--cpus", "1", *arguments]))


def test_packs_of_ours_are_systems_of_their_own_under_the_names_they_are_given() -> None:
    ours, v6, peer = systems_of("--also", "v6=packs/v6", "--peer", f"rapid6-ov={sys.executable}")
    assert [ours.name, v6.name, peer.name] == [OURS, "v6", "rapid6-ov"]
    assert v6.command[v6.command.index("--pack") + 1] == "packs/v6"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--also", "packs/v6"], "give NAME=PACK", id="no name"),
        pytest.param(["--also", "ours=packs/v6"], "ours is named twice", id="our own name"),
        pytest.param(["--also", "a=x", "--also", "a=y"], "named twice", id="two packs of one name"),
        pytest.param(
            ["--also", "rapid6-ov=x", "--peer", f"rapid6-ov={sys.executable}"], "rapid6-ov is named", id="a peer's name"
        ),
    ],
)
def test_names_must_tell_systems_apart(options: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        systems_of(*options)


def test_tesseract_is_a_program_that_our_interpreter_starts() -> None:
    command = peer_system(f"tesseract={sys.executable}", cpus=1).command
    assert command[-2:] == ["--program", sys.executable]


def test_words_of_tesseract_are_joined_to_lines() -> None:
    rows = [
        ["level", "page_num", "block_num", "par_num", "line_num", "word_num", *"xywh", "conf", "text"],
        ["4", "1", "1", "1", "1", "0", "9", "9", "90", "20", "-1", ""],
        ["5", "1", "1", "1", "1", "1", "10", "10", "30", "12", "90", "TOTAL"],
        ["5", "1", "1", "1", "1", "2", "50", "8", "40", "15", "70", "9.90"],
        ["5", "1", "1", "1", "2", "1", "10", "40", "20", "12", "50", "x"],
    ]
    first, second = tesseract_lines("\n".join("\t".join(row) for row in rows))
    assert (first[0], first[2]) == ("TOTAL 9.90", [[10, 8], [90, 8], [90, 23], [10, 23]])
    assert first[1] == pytest.approx(0.8)
    assert second[0] == "x"


def test_what_was_read_survives_being_kept() -> None:
    with Worker(fake_system()) as worker:
        read = worker.read(Path("page"))
    again = ReadImage.from_dict(read.to_dict())
    assert (again.text, again.elapsed_ms, again.cpu_ms) == (read.text, read.elapsed_ms, read.cpu_ms)
    assert again.lines[0].quad.tolist() == read.lines[0].quad.tolist()
