"""What `edge-ocr check` tries where frames are read elsewhere."""

import time

import numpy as np

from edge_ocr.errors import PublishError
from runtime.config.kiosk import KioskConfig
from runtime.frames import FrameDroppedError
from runtime.offload.remote_reader import RemoteReader

ANYWHERE = np.array([[0, 0], [64, 0], [64, 32], [0, 32]], np.float32)


def check_workers(config: KioskConfig) -> str:
    """Have a black frame read by a worker, beside a node that may be running, with the characters that zones allow.

    Raises:
        EdgeOcrError: nobody read it.
    """
    reader = RemoteReader(config, client="check")
    failures: list[PublishError] = []
    begin_s = time.monotonic()
    reader.start(failures.append)
    try:
        black, sets = np.zeros((720, 1280, 3), np.uint8), list(config.allowed_sets)
        reader.detect(black)
        reader.recognize(black, [ANYWHERE] * len(sets), allowed=sets)
    except FrameDroppedError as error:
        raise (failures[0] if failures else error) from error
    finally:
        reader.stop()
    return f"a frame is read in {(time.monotonic() - begin_s) * 1e3:.0f} ms, connecting included"
