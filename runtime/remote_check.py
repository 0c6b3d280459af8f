"""What `edge-ocr check` tries where frames are read elsewhere."""

import time

import numpy as np

from edge_ocr.errors import PublishError
from runtime.config import KioskConfig
from runtime.frames import FrameDroppedError
from runtime.remote_reader import RemoteReader


def check_workers(config: KioskConfig) -> str:
    """Have a black frame read by a worker, beside a node that may be running.

    Raises:
        EdgeOcrError: nobody read it.
    """
    reader = RemoteReader(config, client="check")
    failures: list[PublishError] = []
    begin_s = time.monotonic()
    reader.start(failures.append)
    try:
        reader.read(np.zeros((720, 1280, 3), np.uint8))
    except FrameDroppedError as error:
        raise (failures[0] if failures else error) from error
    finally:
        reader.stop()
    return f"a frame is read in {(time.monotonic() - begin_s) * 1e3:.0f} ms, connecting included"
