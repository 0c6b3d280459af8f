"""A picture of what a camera shows, small enough for any broker."""

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_JPEG_BYTES = 1_000_000
"""mosquitto from 2.1 on refuses packets above 2 000 000 bytes, other brokers far smaller ones."""
QUALITY = 85


def encode_snapshot(image: NDArray[np.uint8]) -> bytes:
    """A frame as JPEG, halved until it is small enough.

    Args:
        image: (H, W, 3) BGR pixels; not modified.

    Raises:
        ValueError: OpenCV cannot encode it.
    """
    shown = image
    while True:
        is_done, jpeg = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not is_done:
            raise ValueError(f"a picture of {image.shape[1]} x {image.shape[0]} pixels cannot be encoded")
        if jpeg.size <= MAX_JPEG_BYTES:
            return jpeg.tobytes()
        half = (max(shown.shape[1] // 2, 1), max(shown.shape[0] // 2, 1))
        shown = cv2.resize(shown, half, interpolation=cv2.INTER_AREA).astype(np.uint8)
