"""What others ask of the node over MQTT: commands that are enabled, and Home Assistant asking who is there."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from runtime.camera import Camera
from runtime.config.kiosk import KioskConfig
from runtime.events import CommandName
from runtime.mqtt import home_assistant, topics
from runtime.mqtt.commands import Action, CommandError, CommandHandler, CommandThread, command_filters
from runtime.mqtt.messages import JPEG, Publication, Received
from runtime.mqtt.publisher import Publisher
from runtime.mqtt.snapshot import encode_snapshot

SNAPSHOT_EXPIRY_S = 60
BETWEEN_FRAMES_S = 10.0
"""For the thread that reads to come to what it is asked."""


def subscriptions(config: KioskConfig) -> tuple[str, ...]:
    """Topic filters that a node has to subscribe to; none where nothing is enabled."""
    commands = command_filters(config.mqtt.root, config.node) if config.mqtt.commands else ()
    births = (topics.home_assistant_status(config.mqtt.home_assistant_prefix),) if config.mqtt.home_assistant else ()
    return (*commands, *births)


class Controls:
    """Takes what the publisher receives to where it is carried out."""

    def __init__(
        self,
        config: KioskConfig,
        *,
        cameras: Callable[[], Sequence[Camera]],
        between_frames: Callable[[Callable[[], None]], Future[None]],
        publisher: Publisher,
        on_reload: Callable[[], None],
    ) -> None:
        """Controls that do nothing before `start`.

        Args:
            config: Which commands are enabled, and whether Home Assistant is told of the node.
            cameras: The cameras that there are now.
            between_frames: Has the thread that reads do something: `FrameLoop.between_frames`.
            publisher: Sends answers and pictures.
            on_reload: What the command `reload` calls; must return at once.
        """
        self._mqtt, self._node = config.mqtt, config.node
        self._cameras = cameras
        self._between_frames = between_frames
        self._publisher = publisher
        self._on_reload = on_reload
        actions: dict[CommandName, Action] = {
            "pause": self._pause,
            "resume": self._resume,
            "snapshot": self._snapshot,
            "reload": self._reload,
        }
        enabled = {name: actions[name] for name in config.mqtt.commands}
        self._handler = CommandHandler(self._mqtt.root, self._node, self._camera_names, enabled)
        self._thread = CommandThread(self._handler, publisher.send)

    def start(self) -> None:
        """Begin to carry out commands, and introduce the node to Home Assistant."""
        if self._mqtt.commands:
            self._thread.start()
        self.introduce()

    def introduce(self) -> None:
        """Tell Home Assistant of the node, or to forget it; a latest value, so it is sent on every connect too."""
        if self._mqtt.home_assistant is None:
            return
        topic = topics.home_assistant_device(self._mqtt.home_assistant_prefix, self._node)
        payload = b""
        if self._mqtt.home_assistant:
            payload = home_assistant.discovery(self._mqtt.root, self._node, self._camera_names(), self._mqtt.commands)
        self._publisher.set_latest(topic, payload)

    def stop(self) -> None:
        """Carry out no more."""
        self._thread.stop()

    def receive(self, message: Received) -> None:
        """Take a message in, from the network thread, at once."""
        if self._mqtt.home_assistant and message.topic == self._birth_topic:
            if message.payload == home_assistant.ONLINE:
                self.introduce()
            return
        self._thread.receive(message)

    def counts(self) -> Mapping[str, int]:
        """What became of the commands so far."""
        return self._handler.counts()

    # -- the commands

    def _pause(self, camera: str | None) -> None:
        for each in self._chosen(camera):
            each.capture.pause()

    def _resume(self, camera: str | None) -> None:
        for each in self._chosen(camera):
            each.capture.resume()

    def _snapshot(self, camera: str | None) -> None:
        chosen = self._chosen(camera)
        shown = [each for each in chosen if each.last_frame is not None]
        for each in shown:
            self._publish_snapshot(each)
        if len(shown) < len(chosen):
            missing = ", ".join(each.name for each in chosen if each not in shown)
            raise CommandError(f"no frame yet of {missing}")

    def _publish_snapshot(self, camera: Camera) -> None:
        jpeg = encode_snapshot(self._shown_image(camera))
        topic = topics.camera_snapshot(self._mqtt.root, self._node, camera.name)
        message = Publication(topic, jpeg, 0, retain=False, content_type=JPEG, expiry_s=SNAPSHOT_EXPIRY_S)
        if not self._publisher.send(message):
            raise CommandError(f"the snapshot of {camera.name} could not be sent: too much waits, or the broker left")

    def _shown_image(self, camera: Camera) -> NDArray[np.uint8]:
        """The newest frame that was read, without what must not be seen; that takes the texts on it."""
        images: list[NDArray[np.uint8]] = []

        def take() -> None:
            assert camera.last_frame is not None
            images.append(camera.shown_image(camera.last_frame))

        try:
            self._between_frames(take).result(BETWEEN_FRAMES_S)
        except TimeoutError:
            raise CommandError(f"{camera.name}: a frame is being read for too long; try again") from None
        return images[0]

    def _reload(self, camera: str | None) -> None:
        self._on_reload()

    # -- helpers

    def _camera_names(self) -> list[str]:
        return [camera.name for camera in self._cameras()]

    def _chosen(self, name: str | None) -> list[Camera]:
        return [camera for camera in self._cameras() if name in {None, camera.name}]

    @property
    def _birth_topic(self) -> str:
        return topics.home_assistant_status(self._mqtt.home_assistant_prefix)
