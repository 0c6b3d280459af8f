"""A camera between its frames and its events, without threads."""

from typing import cast

import numpy as np

from runtime.camera import Camera, Capture, Origin, make_camera
from runtime.config.kiosk import CameraConfig
from runtime.frames import Frame
from runtime.rules.redaction import Redactor
from runtime.texts.tracking import TrackEvent
from tests.runtime.test_appliance import FPS, HELLO, FakeReader, picture


def make() -> Camera:
    """One that nothing but a change in its picture makes look again."""
    config = CameraConfig(source="test:", refresh_s=3600)
    return make_camera("cam0", config, cast(Capture, None), Origin("kiosk", "boot", "toy", "test-cpu"), Redactor())


def show(camera: Camera, first: int, count: int) -> list[TrackEvent]:
    changes = []
    for index in range(first, first + count):
        frame = Frame(picture(HELLO), index, 1000.0 + index / FPS, 0.0, decode_ms=1.0)
        changes += camera.take(camera.look(FakeReader(), frame), frame)
    return changes


def test_a_picture_that_stayed_is_read_anew_after_its_texts_have_ended() -> None:
    camera = make()
    begun = show(camera, 0, 60)
    assert [(change.type, change.text) for change in begun] == [("begin", "HELLO")]
    assert [(change.type, change.reason) for change in camera.finish("camera_lost")] == [("end", "camera_lost")]
    again = show(camera, 60, 60)
    assert [(change.type, change.text) for change in again] == [("begin", "HELLO")]


def test_frames_that_need_no_read_do_not_hide_that_nobody_reads() -> None:
    camera = make()
    show(camera, 0, 60)
    camera.miss("no_worker")
    show(camera, 60, 5)
    assert camera.unread_since_s is not None
    assert camera.finish()
    show(camera, 65, 1)
    assert camera.unread_since_s is None


def test_masks_are_black_before_anybody_sees_the_frame_and_the_source_keeps_its_own() -> None:
    config = CameraConfig(source="test:", ignore=(((0.0, 0.0), (3.0, 0.0), (3.0, 7.0), (0.0, 7.0)),))
    camera = make_camera("cam0", config, cast(Capture, None), Origin("kiosk", "boot", "toy", "test-cpu"), Redactor())
    original = Frame(np.full((8, 8, 3), 200, np.uint8), 0, 1000.0, 0.0, decode_ms=1.0)
    frame = camera.masked(original)
    assert (frame.image[:, :4] == 0).all()
    assert (frame.image[:, 4:] == 200).all()
    assert (original.image == 200).all()
