"""The driver, against a worker that reads the file's name."""

import sys
from pathlib import Path

import pytest

from benchmarks.peers import OURS, PeerError, System, Worker, peer_system, read_in_turn, running
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
    print(json.dumps({"ms": 10.0 * number, "lines": lines}), flush=True)
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
        pytest.param("tesseract=/usr/bin/python3", "unknown system 'tesseract'", id="an unknown peer"),
        pytest.param("rapid4-ov", "no interpreter at ''", id="no interpreter given"),
        pytest.param("rapid4-ov=/no/python", "no interpreter at '/no/python'", id="no such interpreter"),
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
