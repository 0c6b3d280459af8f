"""What becomes of commands: carried out, answered, ignored; always counted, never a crash."""

import json
import time
from collections.abc import Callable
from random import Random
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.events import Answer, CommandName, json_schema
from runtime.mqtt.commands import (
    MAX_COMMAND_BYTES,
    MAX_WAITING,
    Action,
    CommandError,
    CommandHandler,
    CommandThread,
    command_filters,
)
from runtime.mqtt.messages import Publication, Received
from tests.runtime.mqtt_tools import wait_until

NOW, NOW_S = 1_700_000_000.0, 1000.0
PAUSE = "edge-ocr/n/cam0/set/pause"


class Actions:
    def __init__(self) -> None:
        self.done: list[tuple[CommandName, str | None]] = []
        self.error: Exception | None = None

    def __call__(self, name: CommandName) -> Action:
        def act(camera: str | None) -> None:
            if self.error is not None:
                raise self.error
            self.done.append((name, camera))

        return act


@pytest.fixture
def actions() -> Actions:
    return Actions()


@pytest.fixture
def handler(actions: Actions) -> CommandHandler:
    return make_handler(actions)


def make_handler(actions: Actions, enabled: tuple[CommandName, ...] = ("pause", "reload")) -> CommandHandler:
    return CommandHandler(
        "edge-ocr", "n", lambda: ["cam0", "cam1"], {name: actions(name) for name in enabled}, clock=lambda: NOW,
        monotonic=lambda: NOW_S,
    )  # fmt: skip


def message(topic: str = PAUSE, payload: bytes = b"", **more: Any) -> Received:
    return Received(topic=topic, payload=payload, at_s=NOW_S, **more)


def answer(publication: Publication) -> Answer:
    jsonschema.validate(json.loads(publication.payload), json_schema("answer"))
    assert (publication.qos, publication.retain) == (1, False)
    return Answer.model_validate_json(publication.payload)


@pytest.mark.parametrize("payload", [b"", b"{}", b' {"id": null} '])
def test_a_command_is_carried_out_and_answered(handler: CommandHandler, actions: Actions, payload: bytes) -> None:
    [sent] = handler.handle(message(payload=payload))
    assert sent.topic == "edge-ocr/n/cam0/set/pause/state"
    said = answer(sent)
    assert (said.node, said.camera, said.command, said.outcome, said.message, said.id) == (
        "n", "cam0", "pause", "done", None, None,
    )  # fmt: skip
    assert said.ts == "2023-11-14T22:13:20.000Z"
    assert actions.done == [("pause", "cam0")]
    assert handler.counts() == {"done": 1}


def test_a_command_without_camera_is_for_the_node(handler: CommandHandler, actions: Actions) -> None:
    [sent] = handler.handle(message("edge-ocr/n/set/reload"))
    assert sent.topic == "edge-ocr/n/set/reload/state"
    assert answer(sent).camera is None
    assert actions.done == [("reload", None)]


@pytest.mark.parametrize(
    ("topic", "outcome"),
    [
        pytest.param("edge-ocr/n/cam0/set/resume", "disabled", id="not in the configuration"),
        pytest.param("edge-ocr/n/cam0/set/dance", "unknown", id="no such command"),
        pytest.param("edge-ocr/n/cam0/set/reload", "unknown", id="a command of nodes for a camera"),
    ],
)
def test_what_is_not_carried_out_is_refused(
    handler: CommandHandler, actions: Actions, topic: str, outcome: str
) -> None:
    [sent] = handler.handle(message(topic))
    assert answer(sent).outcome == outcome
    assert handler.counts() == {outcome: 1}
    assert actions.done == []


@pytest.mark.parametrize("request_id", ["abc", 7, -1])
def test_the_id_of_a_command_comes_back(handler: CommandHandler, request_id: str | int) -> None:
    [sent] = handler.handle(message(payload=json.dumps({"id": request_id}).encode()))
    assert answer(sent).id == request_id


@pytest.mark.parametrize(
    ("ignored", "cause"),
    [
        pytest.param(message(retain=True), "retained", id="retained"),
        pytest.param(message(payload=b" " * (MAX_COMMAND_BYTES + 1)), "oversized", id="oversized"),
        pytest.param(
            Received(topic=PAUSE, payload=b"", expiry_s=5, at_s=NOW_S - 6), "expired", id="expired while it waited"
        ),
        pytest.param(
            message(payload=b'{"expires_at": "2023-11-14T22:13:19Z"}'), "expired", id="expired by its payload"
        ),
        pytest.param(message("edge-ocr/n/other/set/pause"), "unknown", id="a camera that is not there"),
        pytest.param(message("edge-ocr/n/cam0/set/" + "x" * 33), "unknown", id="a name that is none"),
        pytest.param(message("edge-ocr/n/cam0/events"), "unknown", id="not a command's topic"),
    ],
)
def test_what_nobody_waits_for_is_ignored_and_counted(
    handler: CommandHandler, actions: Actions, ignored: Received, cause: str
) -> None:
    assert handler.handle(ignored) == []
    assert handler.counts() == {cause: 1}
    assert actions.done == []


def test_a_command_that_has_not_expired_is_carried_out(handler: CommandHandler, actions: Actions) -> None:
    handler.handle(Received(topic=PAUSE, payload=b'{"expires_at": "2023-11-14T22:13:21Z"}', expiry_s=5, at_s=NOW_S - 4))
    assert actions.done == [("pause", "cam0")]


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        pytest.param(b"\xff\xfe", "not JSON", id="not text"),
        pytest.param(b"ON", "not JSON", id="not JSON"),
        pytest.param(b"[" * 4000, "not JSON", id="nested too deeply"),
        pytest.param(b"[]", "not a JSON object", id="not an object"),
        pytest.param(b'{"pause": true}', "pause: Extra inputs are not permitted", id="an unknown key"),
        pytest.param(b'{"id": 1.5}', "id", id="a fraction as id"),
        pytest.param(b'{"id": true}', "id", id="a boolean as id"),
        pytest.param(b'{"id": 99999999999999999999}', "id", id="an id that other libraries would round"),
        pytest.param(b'{"expires_at": "tomorrow"}', "expires_at", id="a time that is none"),
        pytest.param(b'{"expires_at": "2023-13-14T22:13:20Z"}', "expires_at: no such time", id="a thirteenth month"),
    ],
)
def test_a_malformed_payload_is_answered_with_its_problem(
    handler: CommandHandler, actions: Actions, payload: bytes, problem: str
) -> None:
    [sent] = handler.handle(message(payload=payload))
    said = answer(sent)
    assert said.outcome == "malformed"
    assert said.message is not None
    assert problem in said.message
    assert handler.counts() == {"malformed": 1}
    assert actions.done == []


def test_what_goes_wrong_is_answered(
    handler: CommandHandler, actions: Actions, caplog: pytest.LogCaptureFixture
) -> None:
    actions.error = CommandError("the lens cap is on")
    assert answer(handler.handle(message())[0]).message == "the lens cap is on"
    actions.error = RuntimeError("secret detail")
    said = answer(handler.handle(message())[0])
    assert (said.outcome, said.message) == ("failed", "unexpected error; the node's log has it")
    assert "secret detail" in caplog.text
    assert handler.counts() == {"failed": 2}


def test_correlation_data_comes_back_and_a_response_topic_gets_the_answer_too(handler: CommandHandler) -> None:
    sent = handler.handle(message(response_topic="clients/me", correlation=b"\x00\xff"))
    assert [each.topic for each in sent] == ["edge-ocr/n/cam0/set/pause/state", "clients/me"]
    assert {each.correlation for each in sent} == {b"\x00\xff"}
    assert sent[0].payload == sent[1].payload


@pytest.mark.parametrize(
    "topic",
    ["", "a/#", "a/+/b", "$SYS/x", "x" * 257, "a\x00b", "a\nb", "edge-ocr", "edge-ocr/n/set/reload", "edge-ocr/x"],
)
def test_a_response_topic_that_is_not_for_answers_gets_none(handler: CommandHandler, topic: str) -> None:
    assert len(handler.handle(message(response_topic=topic))) == 1
    assert handler.counts() == {"done": 1, "bad_response_topic": 1}


def test_only_commands_are_subscribed_to() -> None:
    assert command_filters("edge-ocr", "n") == ("edge-ocr/n/set/+", "edge-ocr/n/+/set/+")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PAYLOADS = st.one_of(
    st.binary(max_size=64),
    st.text(max_size=32).map(lambda text: text.encode("utf-8", "surrogatepass")),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({}, optional={"id": JSON_VALUES, "expires_at": JSON_VALUES | st.text()}).map(
        lambda value: json.dumps(value).encode()
    ),
)
N_PAYLOADS, N_MUTANTS = 200, 50


def mutants(payload: bytes, random: Random) -> list[bytes]:
    """The payload, and others in which bytes were flipped, left out or doubled."""
    found = [payload]
    while len(found) < N_MUTANTS:
        data = bytearray(random.choice(found))
        at = random.randrange(len(data) + 1)
        data[at : at + random.randrange(4)] = random.choice([b"", random.randbytes(3), bytes(data), b'"', b"{", b"\\u"])
        found.append(bytes(data[:200]))
    return found


@settings(max_examples=N_PAYLOADS, deadline=None, database=None, derandomize=True)
@given(
    payload=PAYLOADS,
    seed=st.integers(0, 2**32),
    topic=st.sampled_from([PAUSE, "edge-ocr/n/set/reload", "edge-ocr/n/set/\u00e9"]),
    response_topic=st.none() | st.text(max_size=20),
)
def test_ten_thousand_payloads_of_any_kind_are_counted_and_answered_without_a_crash(
    payload: bytes, seed: int, topic: str, response_topic: str | None
) -> None:
    handler = make_handler(Actions())
    for each in mutants(payload, Random(seed)):
        for sent in handler.handle(message(topic, each, response_topic=response_topic)):
            Answer.model_validate_json(sent.payload)
    counts = dict(handler.counts())
    counts.pop("bad_response_topic", None)
    assert sum(counts.values()) == N_MUTANTS


class Slow:
    """An action that waits to be let go."""

    def __init__(self) -> None:
        self.is_free = False

    def __call__(self, camera: str | None) -> None:
        wait_until(lambda: self.is_free)


def thread_of(action: Action, send: Callable[[Publication], bool]) -> tuple[CommandThread, CommandHandler]:
    handler = CommandHandler("edge-ocr", "n", lambda: ["cam0"], {"pause": action})
    return CommandThread(handler, send), handler


def fresh() -> Received:
    return Received(topic=PAUSE, payload=b"", at_s=time.monotonic())


def test_too_many_commands_at_once_are_ignored_and_counted() -> None:
    slow, sent = Slow(), list[Publication]()

    def send(publication: Publication) -> bool:
        sent.append(publication)
        return True

    thread, handler = thread_of(slow, send)
    for _ in range(MAX_WAITING + 10):
        thread.receive(fresh())
    assert handler.counts() == {"overflow": 10}
    thread.start()
    slow.is_free = True
    wait_until(lambda: len(sent) == MAX_WAITING)
    thread.stop()
    assert handler.counts() == {"overflow": 10, "done": MAX_WAITING}


def test_an_answer_that_cannot_be_sent_is_counted() -> None:
    thread, handler = thread_of(lambda camera: None, lambda publication: False)
    thread.start()
    thread.receive(fresh())
    wait_until(lambda: handler.counts().get("unanswered"))
    thread.stop()
    assert handler.counts() == {"done": 1, "unanswered": 1}
