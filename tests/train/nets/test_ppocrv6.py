import pytest
import torch

from train.nets.ppocrv6 import V6Backbone


@pytest.mark.parametrize("height", [24, 28, 32, 40, 48])
def test_the_mean_before_the_last_layer_is_the_mean_behind_the_blocks(height: int) -> None:
    torch.manual_seed(height)
    backbone = V6Backbone(hidden=[32] * 13).eval()
    image_NCHW = torch.randn(2, 3, height, 64)
    with torch.no_grad():
        whole_NCHW = backbone.blocks(backbone.stem(image_NCHW))
        expected_NC1T = torch.nn.functional.avg_pool2d(whole_NCHW.mean(dim=2, keepdim=True), (1, 2))
        feat_NC1T = backbone(image_NCHW)
    assert feat_NC1T.shape == (2, 384, 1, 8)
    torch.testing.assert_close(feat_NC1T, expected_NC1T)
