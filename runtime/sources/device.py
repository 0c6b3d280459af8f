"""A local camera: USB or built in, through Video4Linux. Runs in a process of its own."""

import os
from pathlib import Path

import cv2

from runtime.frames import Frame
from runtime.sources.faults import CameraError
from runtime.sources.opencv import OpenCvSource, talk
from runtime.sources.spec import device_path

WANTED_WIDTH, WANTED_HEIGHT = 1280, 720
"""Asked of the camera, which may give its nearest size; the default of most is 640 x 480, too small for text."""
READ_TIMEOUT_MS = 10_000


class DeviceSource(OpenCvSource):
    """A Video4Linux device, by number or path."""

    is_live = True

    def __init__(self, spec: str) -> None:
        super().__init__(device_path(spec))

    def open(self) -> None:
        """Open the device.

        Raises:
            CameraError: it is taken, or not a camera.
        """
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(READ_TIMEOUT_MS // 1000))
        talk()
        if not self._open_capture(self._spec, cv2.CAP_V4L2):
            raise CameraError(
                "device", f"{self._spec}: gives no pictures; another program may be using it, or it is not a camera"
            )
        assert self._capture is not None
        # MJPEG first: uncompressed, USB 2 carries 720p at 10 frames a second or less.
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, WANTED_WIDTH)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, WANTED_HEIGHT)

    def read(self) -> Frame:
        """The next frame; a damaged one is passed over.

        Raises:
            CameraError: the camera is gone, or gives no frame in time.
        """
        frame = self._next_good_frame()
        if frame is not None:
            return frame
        gone = "" if Path(self._spec).exists() else " (unplugged)"
        raise CameraError("device", f"{self._spec}: no more frames{gone}")
