"""The errors a user of edge-ocr can meet.

EdgeOcrError
├── ConfigError    a profile, kiosk file, option or command line that cannot be used as written
├── ModelError     a pack or network that is missing, damaged or does not fit
├── ImageError     an image that cannot be read as one
│   └── ImageTooLargeError    one with more pixels than are read
├── SourceError    a camera, stream or clip that cannot be opened or went away
└── PublishError   a message that could not be handed to the broker

Every message is one line: what is wrong, where, and how to mend it.
"""


class EdgeOcrError(Exception):
    """Anything edge-ocr reports to its user in one line."""


class ConfigError(EdgeOcrError):
    """A profile, kiosk file, option or command line that cannot be used as written."""


class ModelError(EdgeOcrError):
    """A pack or network that is missing, damaged or does not fit."""


class ImageError(EdgeOcrError):
    """An image that cannot be read as one."""


class ImageTooLargeError(ImageError):
    """An image with more pixels than are read; it was not decoded."""


class SourceError(EdgeOcrError):
    """A camera, stream or clip that cannot be opened or went away."""


class PublishError(EdgeOcrError):
    """A message that could not be handed to the broker."""
