"""What can go wrong while training, beside the errors of edge_ocr."""

from edge_ocr.errors import EdgeOcrError


class TrainingError(EdgeOcrError):
    """A run that cannot go on: a loss that is no number, a state that does not fit, a missing file of a run."""


class LabelError(EdgeOcrError):
    """A label that cannot be learnt from: its message names file and line."""
