from collections.abc import Callable

import pytest
import torch

from train.nets.db import DBDetector, DBHead, DBMaps, ppocrv2_detector, ppocrv3_detector
from train.nets.fpn import DBFPN, RSEFPN

BUILDERS = [pytest.param(ppocrv2_detector, id="v2"), pytest.param(ppocrv3_detector, id="v3")]


def pyramid_input(n: int, height: int, width: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.rand(n, channels, height // stride, width // stride, generator=generator)
        for channels, stride in zip([4, 6, 8, 10], [4, 8, 16, 32], strict=True)
    ]


@pytest.mark.parametrize("pyramid", [DBFPN, RSEFPN])
def test_pyramids_give_one_map_at_stride_four(pyramid: type[DBFPN]) -> None:
    assert pyramid([4, 6, 8, 10], 16)(pyramid_input(2, 64, 96)).shape == (2, 16, 16, 24)


def test_dbfpn_is_linear() -> None:
    feats = pyramid_input(1, 32, 32)
    neck = DBFPN([4, 6, 8, 10], 16)
    torch.testing.assert_close(neck([2 * feat for feat in feats]), 2 * neck(feats))


def test_dbfpn_passes_the_coarsest_map_down_to_every_quarter_of_the_result() -> None:
    feats = [torch.zeros_like(feat) for feat in pyramid_input(1, 32, 32)]
    feats[-1] += 1.0
    quarters = DBFPN([4, 6, 8, 10], 16)(feats).chunk(4, dim=1)
    assert all(quarter.abs().max() > 0 for quarter in quarters)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (2, 3, 96, 64)])
def test_detector_gives_a_prob_map_of_the_size_of_the_image(
    build: Callable[[], DBDetector], shape: tuple[int, int, int, int]
) -> None:
    prob = build().eval()(torch.randn(shape))
    assert prob.shape == (shape[0], 1, *shape[2:])
    assert 0.0 <= prob.min() <= prob.max() <= 1.0


def test_detector_adds_threshold_and_binary_maps_in_training() -> None:
    maps = ppocrv3_detector().train()(torch.randn(2, 3, 32, 64))
    assert isinstance(maps, DBMaps)
    assert {tuple(each.shape) for each in maps} == {(2, 1, 32, 64)}


def test_binary_map_is_a_half_where_prob_meets_threshold() -> None:
    head = DBHead(16).train()
    head.threshold.load_state_dict(head.prob.state_dict())
    prob, threshold, binary, _ = head(torch.rand(2, 16, 4, 4))
    torch.testing.assert_close(prob, threshold)
    torch.testing.assert_close(binary, torch.full_like(binary, 0.5))


def test_both_branches_of_the_head_learn_from_the_binary_map() -> None:
    head = DBHead(16).train()
    head(torch.rand(2, 16, 4, 4)).binary.sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
