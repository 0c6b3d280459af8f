"""A recording played in another way: what is not changed about it is passed on."""

from typing import Generic, Literal, TypeVar

from runtime.frames import Source

RecordingT = TypeVar("RecordingT", bound=Source)


class WrappedRecording(Generic[RecordingT]):
    """Everything of a source but its `read`."""

    is_live: Literal[False] = False

    def __init__(self, recording: RecordingT) -> None:
        self._recording = recording

    @property
    def description(self) -> str:
        """The recording's."""
        return self._recording.description

    @property
    def nominal_fps(self) -> float | None:
        """The recording's."""
        return self._recording.nominal_fps

    def open(self) -> None:
        """Open the recording."""
        self._recording.open()

    def close(self) -> None:
        """Close the recording."""
        self._recording.close()
