import torch
from torch import Tensor, nn

from optimize.equalize import equalize
from optimize.rewrite import SubpixelDetector
from tests.optimize.test_rewrite import settled_detector


@torch.no_grad()
def test_an_equalised_detector_is_the_same_function_with_channels_more_alike() -> None:
    detector = SubpixelDetector(settled_detector()).double()
    for layer in (detector.neck.outputs[3], detector.neck.laterals[3]):
        assert isinstance(layer, nn.Sequential)
        assert isinstance(layer[0], nn.Conv2d)
        layer[0].weight[3] *= 20  # one channel far louder than the others, as in the published detector
    concatenated: list[Tensor] = []
    detector.reduce[0].register_forward_pre_hook(lambda module, inputs: concatenated.append(inputs[0]))
    image = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    before = detector(image)
    spread_before = spread(concatenated[-1])
    equalize(detector, [image])
    torch.testing.assert_close(detector(image), before)
    assert spread(concatenated[-1]) < 0.8 * spread_before


def spread(feats: Tensor) -> float:
    """Loudest channel over the median one."""
    peaks = feats.abs().amax(dim=(0, 2, 3))
    return float(peaks.max() / peaks.median())
