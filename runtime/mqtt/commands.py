"""Commands over MQTT: from a message to what is done, to an answer. Whatever comes, nothing is raised.

    receive -> bounded queue -> handle: is it one, and is it enabled? -> action -> answer

Retained, expired and oversized messages are ignored: nobody waits for them, or nobody should have sent them.
Everything is counted.
"""

import contextlib
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from queue import Full, Queue
from typing import cast, get_args

from pydantic import ValidationError

from runtime.events import (
    CAMERA_COMMANDS,
    COMMAND_PATTERN,
    Answer,
    Command,
    CommandName,
    Outcome,
    rfc3339,
)
from runtime.mqtt import topics
from runtime.mqtt.messages import Publication, Received

logger = logging.getLogger(__name__)

MAX_COMMAND_BYTES = 4096
MAX_WAITING = 32
"""Commands that wait to be carried out; more of them at once are not meant."""
MAX_TOPIC_BYTES = 256
ANSWER_EXPIRY_S = 60

Action = Callable[[str | None], None]
"""Carries out a command for a camera, or for the node (None). Raises CommandError."""


def command_filters(root: str, node: str) -> tuple[str, ...]:
    """What to subscribe to for commands, and nothing else: answers are a level deeper."""
    return topics.command(root, node, None, "+"), topics.command(root, node, "+", "+")


class CommandError(Exception):
    """A command that cannot be carried out, in one line for whoever sent it."""


@dataclass(frozen=True, slots=True)
class _Target:
    """Whom a command is for, and what it is called."""

    camera: str | None
    command: str


class _IgnoredError(Exception):
    """A message that gets no answer; its text is the cause."""


class CommandHandler:
    """Knows which commands there are, checks what comes, and calls the actions."""

    def __init__(
        self,
        root: str,
        node: str,
        cameras: Callable[[], Collection[str]],
        actions: Mapping[CommandName, Action],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """A handler of the commands for a node and its cameras.

        Args:
            root: First levels of every topic.
            node: The node.
            cameras: Tells the names of its cameras.
            actions: What to call for the commands that are enabled.
            clock: Seconds since the epoch.
            monotonic: Monotonic seconds, as in `Received.at_s`.
        """
        self._root = root
        self._node = node
        self._actions = dict(actions)
        self._clock = clock
        self._monotonic = monotonic
        self._cameras = cameras
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def counts(self) -> Mapping[str, int]:
        """What became of everything that came, by outcome or cause."""
        with self._lock:
            return dict(self._counts)

    def count(self, cause: str) -> None:
        """Count a message that did not get as far as `handle`, or whose answer did not get away."""
        with self._lock:
            self._counts[cause] += 1

    def handle(self, message: Received) -> list[Publication]:
        """Carry out a command; raises nothing, whatever comes.

        Returns:
            The answers to send: none where the message is ignored; two where the request named a topic for its own.
        """
        try:
            target = self._target(message)
            request, problem = self._request(message)
        except _IgnoredError as ignored:
            self.count(str(ignored))
            return []
        outcome, text = ("malformed", problem) if problem else self._carry_out(target)
        self.count(outcome)
        answer = Answer(
            node=self._node,
            camera=target.camera,
            command=target.command,
            outcome=outcome,
            message=text,
            id=request.id,
            ts=rfc3339(self._clock()),
        )
        return self._answers(message, target, answer.to_json())

    def _target(self, message: Received) -> _Target:
        """Whom a message is for and what it wants; the payload is not looked at."""
        if message.retain:
            raise _IgnoredError("retained")
        if len(message.payload) > MAX_COMMAND_BYTES:
            raise _IgnoredError("oversized")
        name = message.topic.rpartition("/")[2]
        if re.fullmatch(COMMAND_PATTERN, name):
            for camera in (None, *self._cameras()):
                if message.topic == topics.command(self._root, self._node, camera, name):
                    return _Target(camera, name)
        raise _IgnoredError("unknown")

    def _request(self, message: Received) -> tuple[Command, str | None]:
        """What the payload says, or what is wrong with it."""
        try:
            request = Command.model_validate_json(message.payload or b"{}")
            until = datetime.fromisoformat(request.expires_at).timestamp() if request.expires_at else None
        except ValidationError as error:
            return Command(), _first_problem(error)
        except (ValueError, OverflowError):
            return Command(), "expires_at: no such time"
        waited_s = self._monotonic() - message.at_s
        if (until is not None and self._clock() > until) or (message.expiry_s or waited_s) < waited_s:
            raise _IgnoredError("expired")
        return request, None

    def _carry_out(self, target: _Target) -> tuple[Outcome, str | None]:
        known = CAMERA_COMMANDS if target.camera is not None else get_args(CommandName)
        if target.command not in known:
            return "unknown", f"no such command; there are {', '.join(sorted(known))}"
        name = cast(CommandName, target.command)
        if name not in self._actions:
            return "disabled", "not enabled; list it in kiosk.yaml under mqtt: commands"
        try:
            self._actions[name](target.camera)
        except CommandError as error:
            return "failed", str(error)
        except Exception:
            logger.exception("command %s: unexpected error", name)
            return "failed", "unexpected error; the node's log has it"
        logger.info("command: %s%s", name, f" of {target.camera}" if target.camera else "")
        return "done", None

    def _answers(self, message: Received, target: _Target, payload: bytes) -> list[Publication]:
        where = [topics.answer(self._root, self._node, target.camera, target.command)]
        if message.response_topic is not None:
            if self._is_usable(message.response_topic):
                where.append(message.response_topic)
            else:
                self.count("bad_response_topic")
        return [
            Publication(topic, payload, 1, retain=False, expiry_s=ANSWER_EXPIRY_S, correlation=message.correlation)
            for topic in where
        ]

    def _is_usable(self, topic: str) -> bool:
        """Whether an answer may go to a topic that the request named: one for clients, not one that a node uses."""
        is_sound = 0 < len(topic.encode()) <= MAX_TOPIC_BYTES and topic.isprintable() and not set(topic) & set("+#")
        return is_sound and not f"{topic}/".startswith(("$", f"{self._root}/"))


class CommandThread:
    """Carries out commands one after the other, so that the network thread never waits for one."""

    def __init__(self, handler: CommandHandler, send: Callable[[Publication], bool]) -> None:
        """A thread that does not run yet; `send` is `Publisher.send`."""
        self._handler = handler
        self._send = send
        self._waiting: Queue[Received | None] = Queue(MAX_WAITING)
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)

    def start(self) -> None:
        """Begin to carry out what was received."""
        self._thread.start()

    def receive(self, message: Received) -> None:
        """Take a message in, from any thread, at once; too many at a time are ignored and counted."""
        try:
            self._waiting.put_nowait(message)
        except Full:
            self._handler.count("overflow")

    def stop(self, timeout_s: float = 1.0) -> None:
        """End after the command at hand; those that wait are left."""
        self._is_stopping = True
        with contextlib.suppress(Full):
            self._waiting.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while (message := self._waiting.get()) is not None and not self._is_stopping:
            for answer in self._handler.handle(message):
                if not self._send(answer):
                    self._handler.count("unanswered")


def _first_problem(error: ValidationError) -> str:
    """What is wrong with a payload, without quoting it."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "not JSON"
    place = ".".join(str(part)[:32] for part in first["loc"])
    return f"{place}: {first['msg']}" if place else "not a JSON object"
