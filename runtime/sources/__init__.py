"""Where frames come from: one module a kind of source.

spec.py      what a source's text means
opencv.py    what everything read through OpenCV shares
video.py     a video file            images.py    a folder, glob or file of images
device.py    a local camera          stream.py    RTSP and HTTP cameras
testcard.py  a built-in moving picture
paced.py     a file played at its own rate, as if it were a camera

Cameras are read in a process of their own:

process.py   the parent's side: starts it, kills it, takes its frames
child.py     the process              exchange.py  the memory that both share
reach.py     whether a camera answers faults.py    why it gives no picture
"""

from pathlib import Path

from edge_ocr.errors import SourceError
from runtime.frames import Source
from runtime.sources.spec import kind_of

__all__ = ["make_source", "open_source"]


def open_source(spec: str, *, realtime: bool = False, every: bool = False, ca_file: Path | None = None) -> Source:
    """Choose the source that a text names; it is returned unopened. A camera is read in a process of its own.

    Args:
        spec: A camera's number or /dev/videoN, an rtsp, rtsps, http or https URL, a video file, a folder, glob or file
            of images, or `test:` (`test:1920x1080@30`).
        realtime: Play files at their own rate as if they were cameras, instead of every frame as fast as it is read.
        every: A camera waits until a frame was taken, as far as it can, instead of giving the newest.
        ca_file: Certificates that a camera over TLS is trusted by; None: the system's.

    Raises:
        SourceError: the text names no source.
    """
    if _kind_of(spec) in {"device", "stream"}:
        from runtime.sources.process import ProcessSource

        return ProcessSource(spec, every=every, ca_file=ca_file)
    return make_source(spec, realtime=realtime)


def make_source(spec: str, *, realtime: bool = False, ca_file: Path | None = None) -> Source:
    """The source that a text names, to be read in this process.

    Raises:
        SourceError: the text names no source.
    """
    kind = _kind_of(spec)
    if kind == "device":
        from runtime.sources.device import DeviceSource

        return DeviceSource(spec)
    if kind == "stream":
        from runtime.sources.stream import StreamSource

        return StreamSource(spec, ca_file)
    return _recorded(spec, kind, realtime=realtime)


def _kind_of(spec: str) -> str:
    try:
        return kind_of(spec)
    except ValueError as error:
        raise SourceError(str(error)) from None


def _recorded(spec: str, kind: str, *, realtime: bool) -> Source:
    from runtime.sources.paced import PacedSource, Recording

    if kind == "testcard":
        from runtime.sources.testcard import TestCard

        return PacedSource(TestCard(spec))
    recording: Recording
    if kind == "images":
        from runtime.sources.images import ImageSource

        recording = ImageSource(spec)
    else:
        from runtime.sources.video import VideoSource

        recording = VideoSource(spec)
    return PacedSource(recording) if realtime else recording
