import cv2
import numpy as np
import pytest
import torch

from train.data.batch_augment import BatchAugment, jpeg_like


def batch(n: int = 3, height: int = 20, width: int = 45) -> torch.Tensor:
    x = torch.linspace(0, 1, width).expand(n, 3, height, width).clone()
    x[:, :, height // 3 : height // 2, ::4] = 0.1
    return x


def test_the_same_generator_spoils_alike_and_leaves_the_clean_batch_alone() -> None:
    clean = batch()
    kept = clean.clone()
    first, again = (BatchAugment(probability=1.0)(clean, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(clean, kept)
    assert first.shape == clean.shape
    assert 0 <= float(first.min()) < float(first.max()) <= 1
    assert (first - clean).abs().mean() > 0.01


def test_nothing_is_done_where_nothing_is_asked_for() -> None:
    clean = batch()
    off = BatchAugment(shift_px=0, blur_px=0, contrast=0, noise=0, coarsest_jpeg=100)
    assert torch.equal(off(clean, torch.Generator()), clean)
    assert torch.equal(BatchAugment(probability=0.0)(clean, torch.Generator()), clean)


def test_padding_keeps_its_value() -> None:
    clean = batch()
    clean[..., 30:] = 0.5
    sizes = torch.tensor([[20, 30]] * 3)
    spoilt = BatchAugment(probability=1.0)(clean, torch.Generator().manual_seed(1), sizes)
    assert torch.equal(spoilt[..., 30:], clean[..., 30:])
    assert not torch.equal(spoilt[..., :30], clean[..., :30])


def test_geometry_does_not_pull_padding_into_a_picture() -> None:
    clean = torch.full((4, 3, 20, 45), 0.25)
    clean[..., 30:] = 1.0
    only_geometry = BatchAugment(shift_px=6, blur_px=0, contrast=0, noise=0, coarsest_jpeg=100, probability=1.0)
    spoilt = only_geometry(clean, torch.Generator().manual_seed(1), torch.tensor([[20, 30]] * 4))
    assert torch.allclose(spoilt, clean, atol=1e-4)


def test_an_empty_batch_stays_empty() -> None:
    assert BatchAugment()(torch.zeros(0, 3, 8, 8), torch.Generator()).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("quality", [30, 60, 90])
def test_it_compresses_about_as_libjpeg_does(quality: int) -> None:
    rng = np.random.default_rng(2)
    image = cv2.GaussianBlur(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), (0, 0), 1.5)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    theirs = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.float32)
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    ours = jpeg_like(planes, torch.tensor([float(quality)]))[0].permute(1, 2, 0).numpy() * 255
    lost = np.abs(theirs - image).mean()
    assert np.abs(ours - theirs).mean() < 0.5 * lost + 1
