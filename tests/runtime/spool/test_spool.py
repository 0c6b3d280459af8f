"""The spool keeps order, bounds, counts and marks across restarts, and outlives a bad disk."""

import json
import logging
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge_ocr.errors import ConfigError, EdgeOcrError
from runtime.config.kiosk import MqttConfig
from runtime.mqtt.broker import EmbeddedBroker
from runtime.mqtt.messages import MqttVersion
from runtime.mqtt.publisher import Presence, Publisher
from runtime.spool import file as spool_file
from runtime.spool import opening as spool_open
from runtime.spool import set_aside
from runtime.spool import state as spool_state
from runtime.spool.outbox import About, Message, OutboxCounts
from runtime.spool.reserve import Record, Reserve, reserve_of
from runtime.spool.spool import MAX_HELD, Spool
from tests.runtime.mqtt_tools import wait_until

TOPIC = "edge-ocr/node/cam0/events"
MIB = 2**20


def message(seq: int, *, track: int = 1, kind: str = "update", boot: str = "boot-1", size: int = 0) -> Message:
    payload = {"type": kind, "boot_id": boot, "seq": seq, "track_id": track, "ts": f"t{seq}", "pad": "x" * size}
    return Message(TOPIC, json.dumps(payload).encode(), time.monotonic(), About(boot, seq, track, kind == "end"))


def seqs(subject: Spool, limit: int = 10_000) -> list[int]:
    return [json.loads(stored.message.payload)["seq"] for stored in subject.peek(limit)]


def state(subject: Spool) -> str:
    return subject.state


def keys(subject: Spool) -> list[int]:
    return [stored.key for stored in subject.peek(10_000)]


def put(subject: Spool, *numbers: int) -> None:
    """Events of texts that have ended, so that a restart adds nothing."""
    for seq in numbers:
        subject.put(message(seq, track=seq, kind="end"))


def messages_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "node.db"


Reopen = Callable[[], Spool]


@pytest.fixture
def reopen(path: Path) -> Iterator[Reopen]:
    """Opens the spool; an open one is closed before as a crash would: without a last flush."""
    opened: list[Spool] = []

    def crash() -> None:
        for one in opened:
            if one._file is not None:
                one._file.close()
                one._file = None
            one._reserve.close()
        opened.clear()

    def reopen() -> Spool:
        crash()
        opened.append(Spool(path, max_bytes=4 * MIB, max_age_s=3600.0))
        return opened[-1]

    yield reopen
    crash()


# -- an outbox


def test_messages_come_oldest_first_and_stay_until_acknowledged(reopen: Reopen) -> None:
    subject = reopen()
    subject.put(*(message(seq) for seq in range(5)))
    assert seqs(subject, limit=2) == [0, 1]
    first, second = keys(subject)[:2]
    subject.acknowledge(first)
    assert seqs(subject) == [1, 2, 3, 4]
    for key in (first, 99, second):
        subject.acknowledge(key)
    subject.drop(second, "refused")
    subject.drop(second + 1, "refused")
    assert subject.counts() == OutboxCounts(pending=2, sent=2, dropped={"refused": 1})
    assert subject.state == "ok"


def test_messages_and_counts_survive_a_crash_and_are_known_to_be_old(reopen: Reopen) -> None:
    subject = reopen()
    put(subject, 1, 2, 3)
    subject.acknowledge(keys(subject)[0])
    subject.drop(keys(subject)[0], "refused")
    again = reopen()
    put(again, 4)
    old, new = again.peek(9)
    assert seqs(again) == [3, 4]
    assert old.message.topic == TOPIC
    assert old.put_s == float("-inf")
    assert 0 < new.message.arrival_s <= new.put_s <= time.monotonic()
    assert again.counts() == OutboxCounts(pending=2, sent=1, dropped={"refused": 1})


def test_a_key_is_never_given_to_a_second_message(reopen: Reopen) -> None:
    subject = reopen()
    put(subject, 1)
    (first,) = keys(subject)
    subject.acknowledge(first)
    put(subject, 2)
    assert keys(subject) == [first + 1]


def test_the_files_are_for_their_owner_only(reopen: Reopen, path: Path) -> None:
    path.parent.mkdir()
    put(reopen(), 1)
    assert {one.name: oct(one.stat().st_mode)[-3:] for one in path.parent.iterdir()} == {
        "node.db": "600", "node.db-wal": "600", "node.db-held": "600",
    }  # fmt: skip


# -- bounds


def test_a_spool_as_large_as_it_may_be_drops_the_oldest_and_says_so_once(
    reopen: Reopen, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    subject = reopen()
    n_put = 1000
    for first in range(0, n_put, 10):
        subject.put(*(message(seq, track=seq, kind="end", size=8000) for seq in range(first, first + 10)))
    assert sum(one.stat().st_size for one in path.parent.iterdir()) <= 4 * MIB
    kept = seqs(subject)
    assert kept == list(range(n_put - len(kept), n_put))
    assert len(kept) > 200
    assert subject.counts() == OutboxCounts(pending=len(kept), sent=0, dropped={"full": n_put - len(kept)})
    assert subject.state == "dropping"
    assert len(caplog.records) == 1
    assert "as large as spool.max_mb allows" in messages_of(caplog)[0]
    assert reopen().counts() == OutboxCounts(pending=len(kept), sent=0, dropped={"full": n_put - len(kept)})


def test_a_spool_that_was_sent_has_room_again(reopen: Reopen, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    subject = reopen()
    while state(subject) == "ok":
        subject.put(*(message(seq, track=seq, kind="end", size=8000) for seq in range(50)))
    for key in keys(subject):
        subject.acknowledge(key)
    assert subject.state == "ok"
    assert "in order again; dropped so far: " in messages_of(caplog)[-1]


def test_what_is_too_old_is_dropped_and_counted(reopen: Reopen, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = reopen()
    put(subject, 1, 2)
    subject._epoch_s += 1800.0
    put(subject, 3)
    subject.tend()
    assert seqs(subject) == [1, 2, 3]
    subject._epoch_s += 1801.0
    subject.tend()
    assert seqs(subject) == [3]
    assert subject.counts() == OutboxCounts(pending=1, sent=0, dropped={"expired": 2})


def test_a_clock_that_is_set_meanwhile_expires_nothing(reopen: Reopen, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = reopen()
    put(subject, 1)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    subject.tend()
    assert seqs(subject) == [1]


# -- texts left open


def ends(subject: Spool) -> list[tuple[str, int, int, str, str]]:
    events = [json.loads(stored.message.payload) for stored in subject.peek(10_000)]
    wanted = ("boot_id", "track_id", "seq", "reason", "ts")
    return [tuple(event[name] for name in wanted) for event in events if event.get("reason") == "restart"]


def test_texts_that_a_crash_left_open_are_ended_after_what_was_published(reopen: Reopen) -> None:
    subject = reopen()
    subject.put(message(1, track=1, kind="begin"), message(2, track=2, kind="begin"))
    subject.put(message(3, track=3, kind="begin"))
    subject.put(message(4, track=1, kind="update"), message(5, track=2, kind="end"))
    for key in keys(subject):
        subject.acknowledge(key)
    again = reopen()
    assert ends(again) == [("boot-1", 1, 6, "restart", "t4"), ("boot-1", 3, 7, "restart", "t3")]
    put(again, 1)
    assert seqs(again) == [6, 7, 1]
    assert [json.loads(one.message.payload)["latency_ms"]["total"] for one in again.peek(2)] == [0.0, 0.0]


def test_a_text_is_ended_once_however_often_the_crash_comes(reopen: Reopen) -> None:
    reopen().put(message(1, kind="begin"))
    reopen()
    reopen().put(message(1, kind="begin", boot="boot-2"))
    assert [one[:3] for one in ends(reopen())] == [("boot-1", 1, 2), ("boot-2", 1, 2)]


def test_after_a_clean_stop_nothing_is_open(reopen: Reopen) -> None:
    subject = reopen()
    subject.put(message(1, kind="begin"))
    subject.put(message(2, kind="end"))
    assert ends(reopen()) == []


# -- a bad disk


def fill_disk(subject: Spool) -> None:
    """Let SQLite have no more pages, which it reports as it does a full disk."""
    assert subject._file is not None
    connection = subject._file.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()


def make_room(subject: Spool) -> None:
    assert subject._file is not None
    subject._file.connection.execute("PRAGMA max_page_count = 100000").fetchall()


def fail_to_read(*_: object) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
    raise error


def large(seq: int) -> Message:
    return message(seq, track=seq, kind="end", size=10_000)


def test_on_a_full_disk_events_are_sent_from_memory_in_order(reopen: Reopen, caplog: pytest.LogCaptureFixture) -> None:
    subject = reopen()
    subject.put(large(1))
    fill_disk(subject)
    subject.put(large(2), large(3))
    assert subject.state == "full"
    assert seqs(subject) == [1, 2, 3]
    subject.acknowledge(keys(subject)[1])
    assert seqs(subject) == [1, 3]
    assert subject.counts() == OutboxCounts(pending=2, sent=1)
    subject.put(large(4))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the disk is full; make room" in messages_of(caplog)[0]


def test_what_cannot_be_spooled_nor_sent_is_counted_and_the_newest_stay(reopen: Reopen) -> None:
    subject = reopen()
    fill_disk(subject)
    for seq in range(MAX_HELD + 30):
        subject.put(large(seq))
    assert seqs(subject) == list(range(30, MAX_HELD + 30))
    assert subject.counts() == OutboxCounts(pending=MAX_HELD, sent=0, dropped={"unspooled": 30})


def test_when_space_returns_what_is_held_is_spooled_and_the_counts_with_it(
    reopen: Reopen, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    subject = reopen()
    subject.put(large(1))
    fill_disk(subject)
    for seq in range(2, MAX_HELD + 12):
        subject.put(large(seq))
    sent_from_memory = keys(subject)[1]
    subject.acknowledge(sent_from_memory)
    subject.put(message(900, track=900, kind="begin"))
    make_room(subject)
    subject.tend()
    assert subject.state == "ok"
    assert "in order again; dropped so far: 10 unspooled" in messages_of(caplog)[-1]
    before = subject.counts()
    again = reopen()
    assert seqs(again)[:3] == [1, 13, 14]
    assert [one[1:3] for one in ends(again)] == [(900, 901)]
    assert again.counts() == OutboxCounts(before.pending + 1, sent=1, dropped={"unspooled": 10})


def test_an_acknowledgement_counts_at_once_even_if_the_file_cannot_take_it(reopen: Reopen) -> None:
    subject = reopen()
    subject.put(large(1), large(2))
    fill_disk(subject)
    for seq in range(MAX_HELD + 1):
        subject.put(large(10 + seq))
    on_disk, dropped = keys(subject)[0], keys(subject)[2] - 1
    for key in (on_disk, on_disk, dropped, 9999):
        subject.acknowledge(key)
    assert subject.counts() == OutboxCounts(pending=MAX_HELD + 1, sent=1, dropped={"unspooled": 1})


def test_acknowledgements_that_come_while_the_disk_is_full_all_count(reopen: Reopen) -> None:
    subject = reopen()
    put(subject, *range(9))
    fill_disk(subject)
    subject.put(large(10))
    assert state(subject) == "full"
    for key in keys(subject):
        subject.acknowledge(key)
    assert subject.counts() == OutboxCounts(pending=0, sent=10)
    make_room(subject)
    subject.tend()
    assert subject.counts() == OutboxCounts(pending=0, sent=10)


def test_an_acknowledgement_counts_though_the_file_breaks_when_it_comes(
    reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = reopen()
    put(subject, 1, 2)
    first, _ = keys(subject)
    assert subject._file is not None
    monkeypatch.setattr(subject._file, "peek", fail_to_read)
    subject.acknowledge(first)
    assert state(subject) == "failed"
    subject.tend()
    assert seqs(subject) == [2]
    assert subject.counts() == OutboxCounts(pending=1, sent=1)


def test_what_a_crash_takes_along_from_memory_is_counted_once(reopen: Reopen, caplog: pytest.LogCaptureFixture) -> None:
    subject = reopen()
    put(subject, 1)
    fill_disk(subject)
    for seq in range(2, MAX_HELD + 12):
        subject.put(large(seq))
    subject.acknowledge(keys(subject)[1])
    assert subject.counts() == OutboxCounts(MAX_HELD, sent=1, dropped={"unspooled": 10})
    expected = OutboxCounts(1, sent=1, dropped={"unspooled": 10, "crash": MAX_HELD - 1})
    again = reopen()
    assert again.counts() == expected
    assert f"{MAX_HELD - 1} events are lost: they waited in memory when the last run ended" in messages_of(caplog)[-1]
    assert reopen().counts() == expected


def test_numbers_that_were_given_out_while_the_disk_was_full_are_not_given_out_again(reopen: Reopen) -> None:
    subject = reopen()
    subject.put(message(1, kind="begin"))
    fill_disk(subject)
    subject.put(large(2))
    subject.put(message(3, track=2, kind="begin", size=10_000))
    for key in keys(subject):
        subject.acknowledge(key)
    assert [one[1:3] for one in ends(reopen())] == [(1, 4)]


def test_a_reserve_with_more_runs_than_fit_keeps_the_newest(path: Path) -> None:
    path.parent.mkdir()
    subject = Reserve(path)
    subject.allocate()
    subject.note(Record(7, {"sent": 3}, {(TOPIC, f"boot-{number}"): number for number in range(200)}))
    subject.close()
    subject.allocate()
    record = subject.read()
    assert record is not None
    assert (record.put, record.counts) == (7, {"sent": 3})
    assert 0 < len(record.seqs) < 200
    assert record.seqs[TOPIC, "boot-199"] == 199
    subject.close()


def test_a_crash_right_after_space_has_returned_counts_nothing_that_was_spooled(
    reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = reopen()
    fill_disk(subject)
    subject.put(large(1), large(2))
    make_room(subject)
    monkeypatch.setattr(subject._reserve, "note", lambda record: None)
    subject.tend()
    assert subject.state == "ok"
    assert reopen().counts() == OutboxCounts(pending=2, sent=0)


def test_what_waits_in_memory_at_a_stop_is_counted_by_the_next_run(reopen: Reopen) -> None:
    subject = reopen()
    fill_disk(subject)
    subject.put(large(1), large(2))
    subject.close()
    assert reopen().counts() == OutboxCounts(pending=0, sent=0, dropped={"unspooled": 2})


def test_a_reserve_that_a_power_cut_has_torn_stops_nothing(
    reopen: Reopen, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(reopen(), 1)
    reserve_of(path).write_bytes(b'{"put": 12, "cou')
    assert reopen().counts() == OutboxCounts(pending=1, sent=0)
    assert "damaged" in messages_of(caplog)[-1]


def test_a_disk_that_stays_almost_full_is_not_called_mended(reopen: Reopen, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = reopen()
    fill_disk(subject)
    subject.put(large(1))
    monkeypatch.setattr(spool_state, "FREE_AGAIN_BYTES", 1 << 60)
    make_room(subject)
    subject.tend()
    assert (state(subject), subject.counts().pending) == ("full", 1)
    monkeypatch.undo()
    subject.tend()
    assert subject.state == "ok"


def test_a_spool_that_can_be_opened_only_later_gives_its_old_events_after_the_held_ones(
    reopen: Reopen, path: Path
) -> None:
    put(reopen(), 1, 2)
    reopen().close()
    aside = path.parent.with_name("aside")
    path.parent.rename(aside)
    path.parent.write_text("a file where the folder should be")
    subject = reopen()
    assert state(subject) == "failed"
    put(subject, 11, 12)
    path.parent.unlink()
    aside.rename(path.parent)
    subject.tend()
    assert subject.state == "ok"
    assert seqs(subject) == [11, 12, 1, 2]
    for key in keys(subject):
        subject.acknowledge(key)
    put(subject, 13)
    assert seqs(subject) == [13]
    assert subject.counts() == OutboxCounts(pending=1, sent=4)


def test_a_second_process_on_one_file_refuses(reopen: Reopen, path: Path) -> None:
    first = reopen()
    with pytest.raises(EdgeOcrError, match="another process uses it; stop that one") as caught:
        Spool(path, max_bytes=4 * MIB, max_age_s=60)
    assert not isinstance(caught.value, ConfigError)
    put(first, 1)
    assert first.state == "ok"


def test_somebody_elses_database_and_a_folder_are_refused_untouched(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.db"
    with closing(sqlite3.connect(theirs)) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.commit()
    before = theirs.read_bytes()
    with pytest.raises(ConfigError, match=r"theirs\.db is not a spool of edge-ocr; name another file"):
        Spool(theirs, max_bytes=4 * MIB, max_age_s=60)
    assert theirs.read_bytes() == before
    with pytest.raises(ConfigError, match="is a folder"):
        Spool(tmp_path, max_bytes=4 * MIB, max_age_s=60)


# -- damage


def overwrite_with_garbage(path: Path) -> None:
    path.write_bytes(b"not a database, whatever its name says" * 1000)


def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def change_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def flip_bits_of_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 2 + 64] = b"\xff" * 64
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "n_counted"),
    [
        pytest.param(overwrite_with_garbage, 0, id="garbage"),
        pytest.param(truncate, 0, id="truncated"),
        pytest.param(empty, 0, id="zero-length"),
        pytest.param(flip_bits_of_a_page, None, id="a page with flipped bits"),
        pytest.param(change_version, 50, id="tables of another version"),
    ],
)
def test_a_damaged_file_is_set_aside_with_one_warning(
    reopen: Reopen, path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], n_counted: int | None
) -> None:
    with Spool(path, max_bytes=4 * MIB, max_age_s=60) as first:
        first.put(*(message(seq, track=seq, kind="end", size=2000) for seq in range(50)))
    damage(path)
    damaged = path.read_bytes()
    subject = reopen()
    put(subject, 1)
    assert (state(subject), seqs(subject)) == ("ok", [1])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    (aside,) = [one for one in path.parent.iterdir() if ".damaged-" in one.name and not one.name.endswith("-wal")]
    assert aside.read_bytes() == damaged
    assert aside.name in messages_of(caplog)[0]
    if n_counted is not None:
        assert subject.counts() == OutboxCounts(1, 0, {"damaged": n_counted} if n_counted else {})
    assert seqs(reopen()) == [1]


def test_damage_that_shows_at_work_is_set_aside_and_counted(
    reopen: Reopen, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    subject = reopen()
    subject.put(message(1, track=1, kind="begin"), message(2, track=2, kind="begin"))
    subject.acknowledge(keys(subject)[0])

    def fail(*_: object) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    assert subject._file is not None
    monkeypatch.setattr(subject._file, "insert", fail)
    subject.put(message(3, track=2, kind="update"))
    assert seqs(subject) == [3]
    assert subject.counts() == OutboxCounts(pending=1, sent=1, dropped={"damaged": 1})
    assert "set aside as" in messages_of(caplog)[0]
    assert [one[1:3] for one in ends(reopen())] == [(1, 4), (2, 5)]


def test_an_error_of_the_disk_closes_the_file_until_it_can_be_used_again(
    reopen: Reopen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    subject = reopen()
    put(subject, 1)

    def fail(*_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
        raise error

    assert subject._file is not None
    monkeypatch.setattr(subject._file, "insert", fail)
    put(subject, 2)
    assert (state(subject), seqs(subject)) == ("failed", [2])
    subject.tend()
    assert (state(subject), seqs(subject)) == ("ok", [1, 2])
    assert "cannot be used (disk I/O error)" in messages_of(caplog)[0]


def test_text_that_is_not_utf_8_is_damage(reopen: Reopen, caplog: pytest.LogCaptureFixture) -> None:
    subject = reopen()
    put(subject, 1)
    assert subject._file is not None
    subject._file.connection.execute("UPDATE events SET topic = CAST(x'ff' AS TEXT)")
    assert seqs(subject) == []
    assert subject.counts().dropped == {"damaged": 1}
    assert "set aside as" in messages_of(caplog)[0]


def test_an_event_that_its_disk_has_damaged_holds_up_no_other(reopen: Reopen) -> None:
    subject = reopen()
    subject.put(Message(TOPIC, b"\xff no JSON", 0.0), message(2, kind="end"))
    with EmbeddedBroker() as broker:
        publisher = Publisher(
            MqttConfig(url=broker.url),
            subject,
            Presence(topic="s", online=b"on", offline=b"off", stopped=b"stopped", boot_id="b"),
            client_id="n",
            version=MqttVersion.V311,
        )
        publisher.start()
        try:
            wait_until(lambda: subject.counts().pending == 0)
        finally:
            publisher.stop()
    assert subject.counts() == OutboxCounts(pending=0, sent=1, dropped={"damaged": 1})


def test_a_folder_that_is_gone_stops_nothing(reopen: Reopen, path: Path) -> None:
    subject = reopen()
    fill_disk(subject)
    subject.put(large(1))
    assert subject.state == "full"
    path.parent.rename(path.parent.with_name("elsewhere"))
    subject.tend()
    subject.put(large(2))
    assert seqs(subject) == [1, 2]


@pytest.mark.parametrize("deleted", [[""], ["-wal"], ["", "-wal", "-held"]], ids=["file", "log", "all"])
def test_a_file_that_is_deleted_under_us_is_made_again_with_all_that_waits(
    reopen: Reopen, path: Path, caplog: pytest.LogCaptureFixture, deleted: list[str]
) -> None:
    subject = reopen()
    put(subject, 1, 2)
    subject.acknowledge(keys(subject)[0])
    for suffix in deleted:
        path.with_name(path.name + suffix).unlink()
    put(subject, 3)
    subject.tend()
    assert (state(subject), seqs(subject)) == ("ok", [2, 3])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "was deleted; made again with all 1 events in it" in messages_of(caplog)[0]
    again = reopen()
    assert seqs(again) == [2, 3]
    assert again.counts() == OutboxCounts(pending=2, sent=1)


def test_a_folder_that_is_deleted_under_us_is_made_again(reopen: Reopen, path: Path) -> None:
    subject = reopen()
    subject.put(message(1, kind="begin"))
    shutil.rmtree(path.parent)
    subject.tend()
    assert sorted(one.name for one in path.parent.iterdir()) == ["node.db", "node.db-held", "node.db-wal"]
    assert [one[1:3] for one in ends(reopen())] == [(1, 2)]


def test_another_file_in_our_place_is_left_alone_and_said_once(
    reopen: Reopen, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    subject = reopen()
    put(subject, 1)
    path.unlink()
    path.write_text("something else")
    put(subject, 2)
    subject.tend()
    assert (state(subject), seqs(subject)) == ("failed", [1, 2])
    assert path.read_text() == "something else"
    path.unlink()
    subject.tend()
    assert (state(subject), seqs(subject)) == ("ok", [1, 2])
    first, *_, last = messages_of(caplog)
    assert "another file has taken its place" in first
    assert "in order again" in last
    assert seqs(reopen()) == [1, 2]


def test_a_file_that_is_gone_when_a_bad_disk_can_be_used_again_is_counted(
    reopen: Reopen, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = reopen()
    put(subject, 1, 2)
    assert subject._file is not None
    monkeypatch.setattr(subject._file, "insert", fail_to_read)
    put(subject, 3)
    assert state(subject) == "failed"
    path.unlink()
    subject.tend()
    assert (state(subject), seqs(subject)) == ("ok", [3])
    assert subject.counts() == OutboxCounts(pending=1, sent=0, dropped={"deleted": 2})


def test_only_the_newest_damaged_files_are_kept(reopen: Reopen, path: Path) -> None:
    path.parent.mkdir()
    for _ in range(set_aside.KEPT + 2):
        overwrite_with_garbage(path)
        reopen().close()
    assert len([one for one in path.parent.iterdir() if ".damaged-" in one.name]) == set_aside.KEPT


def test_a_spool_that_cannot_be_made_leaves_nothing_behind(
    reopen: Reopen, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_open, "TABLES", "CREATE TABLE;")
    assert reopen().state == "failed"
    assert list(path.parent.iterdir()) == []
    monkeypatch.undo()
    subject = reopen()
    put(subject, 1)
    assert (subject.state, seqs(subject)) == ("ok", [1])


def test_a_commit_is_synchronous_and_an_acknowledgement_is_not(reopen: Reopen) -> None:
    subject = reopen()
    assert subject._file is not None
    statements: list[str] = []
    subject._file.connection.set_trace_callback(statements.append)
    put(subject, 1)
    subject.acknowledge(keys(subject)[0])
    assert [one for one in statements if "synchronous" in one] == [
        "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL",
    ]  # fmt: skip
    assert statements.count("BEGIN IMMEDIATE") == 2
    assert spool_open.WAL_PAGES * spool_file.PAGE_BYTES < spool_open.WAL_BYTES
