"""The outbox keeps order, bounds and counts."""

import logging

import pytest

from runtime.spool.outbox import MemoryOutbox, Message, OutboxCounts


def message(n: int, size: int = 3) -> Message:
    return Message("edge-ocr/node/cam0/events", f"{n:0{size}d}".encode(), arrival_s=float(n))


def keys(outbox: MemoryOutbox, limit: int = 100) -> list[int]:
    return [stored.key for stored in outbox.peek(limit)]


def test_messages_come_oldest_first_and_stay_until_acknowledged() -> None:
    outbox = MemoryOutbox()
    for n in range(5):
        outbox.put(message(n))
    assert [stored.message.payload for stored in outbox.peek(2)] == [b"000", b"001"]
    first, second = keys(outbox, limit=2)
    outbox.acknowledge(first)
    assert keys(outbox)[0] == second
    assert outbox.counts() == OutboxCounts(pending=4, sent=1)


def test_acknowledging_twice_or_the_unknown_counts_nothing() -> None:
    outbox = MemoryOutbox()
    outbox.put(message(1))
    for key in (1, 1, 99):
        outbox.acknowledge(key)
    outbox.drop(1, "refused")
    assert outbox.counts() == OutboxCounts(pending=0, sent=1)


def test_a_full_outbox_drops_the_oldest_counts_it_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    outbox = MemoryOutbox(max_messages=4)
    with caplog.at_level(logging.INFO):
        for n in range(10):
            outbox.put(message(n))
    assert [stored.message.payload for stored in outbox.peek(9)] == [b"006", b"007", b"008", b"009"]
    assert outbox.counts() == OutboxCounts(pending=4, sent=0, dropped={"full": 6})
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_room_in_the_outbox_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    outbox = MemoryOutbox(max_messages=4)
    for n in range(6):
        outbox.put(message(n))
    caplog.clear()
    with caplog.at_level(logging.INFO):
        for key in keys(outbox):
            outbox.acknowledge(key)
    assert [record.getMessage() for record in caplog.records] == ["outbox has room again; 2 events were dropped so far"]


def test_bytes_are_bounded_too_but_one_message_always_fits() -> None:
    outbox = MemoryOutbox(max_bytes=100)
    for n in range(5):
        outbox.put(message(n, size=40))
    assert outbox.counts() == OutboxCounts(pending=2, sent=0, dropped={"full": 3})
    outbox.put(message(5, size=400))
    assert outbox.counts().pending == 1


def test_dropped_messages_are_counted_by_cause() -> None:
    outbox = MemoryOutbox()
    outbox.put(message(1))
    outbox.drop(1, "refused")
    assert outbox.counts() == OutboxCounts(pending=0, sent=0, dropped={"refused": 1})
