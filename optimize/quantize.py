"""Post-training INT8 with NNCF on folded networks, calibrated with what the device will feed them."""

from collections.abc import Sequence

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge_ocr.detection import ScaleRule, plan_tiles, tile_tensors
from edge_ocr.orientation import fit_crop
from edge_ocr.recognition import pad_crop, scale_line
from optimize.evaluate import SIZES, WIDTHS, Crop, LabelledPage

Tensor = NDArray[np.uint8]


def quantize(model: ov.Model, calibration: Sequence[Tensor]) -> ov.Model:
    """Quantise a folded network to INT8.

    Preset MIXED with HISTOGRAM ranges: the default ranges average minima and maxima per sample, which clips the tails
    of hard-swish and costs these networks 1 to 3 points. LSTMs stay in float: in INT8 they depend on the batch.

    Args:
        model: A folded network with free shapes.
        calibration: Inputs (1, H, W, 3) uint8 as the device feeds them.
    """
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    has_lstm = any(node.get_type_name() == "LSTMSequence" for node in model.get_ops())
    return nncf.quantize(
        model,
        nncf.Dataset(list(calibration)),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(calibration),
        ignored_scope=nncf.IgnoredScope(types=["LSTMSequence"]) if has_lstm else None,
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.HISTOGRAM
        ),
    )


def recognizer_inputs(crops: Sequence[Crop], height: int) -> list[Tensor]:
    """Lines as the recogniser gets them."""
    lines = (scale_line(image, height)[:, : WIDTHS[-1]] for image, _ in crops)
    return [pad_crop(line, WIDTHS) for line in lines]


def detector_inputs(pages: Sequence[LabelledPage], rule: ScaleRule) -> list[Tensor]:
    """Pages as the detector gets them."""
    return [tensor for image, _ in pages for tensor in tile_tensors(image, plan_tiles(*image.shape[:2], rule, SIZES))]


def orientation_inputs(crops: Sequence[Crop], height: int, width: int) -> list[Tensor]:
    """Lines as the classifier gets them, every other one turned by 180 degrees."""
    return [fit_crop(turned(image) if i % 2 else image, height, width) for i, (image, _) in enumerate(crops)]


def turned(image: Tensor) -> Tensor:
    """An image turned by 180 degrees."""
    return np.ascontiguousarray(image[::-1, ::-1])
