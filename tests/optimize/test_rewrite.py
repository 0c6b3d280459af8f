import torch
from torch import nn
from torch.nn import functional

from edge_ocr.engines.openvino import shared_core
from optimize.build import IMAGENET
from optimize.ir import fold_detector, from_torch
from optimize.rewrite import SubpixelDetector, fold_norm, subpixel
from train.nets.db import DBDetector, ppocrv3_detector


def test_a_subpixel_convolution_equals_the_transposed_one() -> None:
    layer = nn.ConvTranspose2d(5, 3, 2, stride=2)
    feats = torch.randn(2, 5, 4, 7)
    torch.testing.assert_close(functional.pixel_shuffle(subpixel(layer)(feats), 2), layer(feats))


def test_a_folded_norm_gives_the_same() -> None:
    for layer in (nn.Conv2d(4, 3, 3, bias=False), nn.ConvTranspose2d(4, 3, 2, stride=2)):
        norm = settled_norm(nn.BatchNorm2d(3)).eval()
        feats = torch.randn(1, 4, 6, 6)
        torch.testing.assert_close(fold_norm(layer, norm)(feats), norm(layer(feats)))


def test_a_subpixel_detector_finds_what_the_detector_finds_and_leaves_it_alone() -> None:
    detector = settled_detector().double()
    image = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    before = detector(image)
    shuffled = functional.pixel_shuffle(SubpixelDetector(detector)(image), 4)
    torch.testing.assert_close(shuffled, before)
    torch.testing.assert_close(detector(image), before)


def test_its_ir_gives_the_same_map_as_the_detectors() -> None:
    detector = settled_detector()
    image = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8).numpy()
    maps = []
    for module in (detector, SubpixelDetector(detector)):
        folded = fold_detector(from_torch(module, "detector"), IMAGENET)
        maps.append(shared_core().compile_model(folded, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(image)[0])
    assert maps[0].shape == maps[1].shape == (1, 64, 96)
    assert maps[0].std() > 1
    # One step of 255 where the two round apart.
    assert abs(maps[0].astype(int) - maps[1]).max() <= 1


def settled_detector() -> DBDetector:
    detector = ppocrv3_detector().eval()
    for module in detector.modules():
        settled_norm(module)
    return detector


def settled_norm(module: nn.Module) -> nn.Module:
    """Give a batch norm statistics and weights that are not those of its birth."""
    if isinstance(module, nn.BatchNorm2d):
        nn.init.uniform_(module.weight, 0.5, 1.5)
        nn.init.uniform_(module.bias, -0.1, 0.1)
        assert module.running_mean is not None
        assert module.running_var is not None
        nn.init.uniform_(module.running_mean, -0.1, 0.1)
        nn.init.uniform_(module.running_var, 0.5, 1.5)
    return module
