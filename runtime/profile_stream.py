"""The stream part of a profile: the whole appliance, fed at the clip's own rate.

An open loop: frames come when they are due, whether or not the last one has been read. A closed loop hides the time
that frames wait and the frames that are lost.
"""

from runtime.frames import Frame
from runtime.profile_input import Job
from runtime.profile_report import StreamPart
from runtime.profiling import Subject
from runtime.sources.paced import FPS_WITHOUT_RATE, Recording


class LoopedRecording:
    """A recording that starts again at its end, until it has lasted long enough."""

    is_live = False

    def __init__(self, recording: Recording, seconds: float) -> None:
        self._recording = recording
        self._seconds = seconds
        self._left = 0
        self.n_skipped = 0
        """Frames passed over because they came too late: decoding could not keep up."""

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
        self._left = round(self._seconds * (self.nominal_fps or FPS_WITHOUT_RATE))

    def read(self) -> Frame | None:
        """The next frame, from the start again after the last; None when it has lasted long enough."""
        if not self._count_down():
            return None
        frame = self._recording.read()
        if frame is None:
            self._rewind()
            frame = self._recording.read()
        return frame

    def skip(self) -> bool:
        """Pass over one frame; False when it has lasted long enough."""
        if not self._count_down():
            return False
        self.n_skipped += 1
        if self._recording.skip():
            return True
        self._rewind()
        return self._recording.skip()

    def close(self) -> None:
        """Close the recording."""
        self._recording.close()

    def _count_down(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def _rewind(self) -> None:
        self._recording.close()
        self._recording.open()


def run_stream(subject: Subject, job: Job) -> StreamPart:
    """Run."""
    raise NotImplementedError
