"""What the gate notices of a scene, and what it does not."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.texts.gate import Glance, SceneGate

Image = NDArray[np.uint8]
HEIGHT, WIDTH = 360, 640


def paper(*texts: tuple[str, int, int], dx: float = 0.0, dy: float = 0.0, ink: int = 40) -> Image:
    """A grey table with a sheet of paper, shifted by part of a pixel or more."""
    image = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
    image[60:320, 100:560] = 220
    for text, x, y in texts:
        cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (ink, ink, ink), 2, cv2.LINE_AA)
    shift = np.array([[1, 0, dx], [0, 1, dy]], dtype=np.float32)
    return np.asarray(cv2.warpAffine(image, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def noisy(image: Image, rng: np.random.Generator, *, sigma: float = 4.0, gain: float = 1.0) -> Image:
    return np.clip(image * gain + rng.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)


RECEIPT = (("TOTAL 12.50", 130, 130), ("CASH 20.00", 130, 200), ("CHANGE 7.50", 130, 270))


def watched(*before: Image) -> SceneGate:
    """A gate that has looked at some frames in earnest, and knows the last one's noise."""
    gate = SceneGate()
    for image in before:
        gate.look(image)
        gate.accept()
    return gate


def quad(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float32]:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float32)


def test_the_first_frame_is_all_change_and_nothing_is_known_to_stand_still() -> None:
    first = SceneGate().look(paper())
    assert first.changed.all()
    assert first.is_ripe()
    assert not first.has_before
    assert not first.moving.any()


def test_noise_is_no_change() -> None:
    rng = np.random.default_rng(1)
    gate = watched(noisy(paper(*RECEIPT), rng))
    glances = [gate.look(noisy(paper(*RECEIPT), rng)) for _ in range(15)]
    assert not any(glance.changed.any() or glance.moving.any() for glance in glances)


def test_a_camera_that_turns_noisier_step_by_step_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    gate = watched(noisy(paper(*RECEIPT), rng, sigma=1))
    glances = [gate.look(noisy(paper(*RECEIPT), rng, sigma=1 + i / 15)) for i in range(60)]
    assert not any(glance.changed.any() for glance in glances)


def test_exposure_and_mains_hum_are_no_change() -> None:
    rng = np.random.default_rng(3)
    gate = watched(noisy(paper(*RECEIPT), rng))
    rows = np.arange(HEIGHT)[:, None, None]
    for i in range(20):
        hum = 1 + 0.05 * np.sin(rows / 70 + i)
        glance = gate.look(noisy(np.asarray(paper(*RECEIPT) * hum), rng, gain=1 + 0.1 * np.sin(i / 3)))
        assert not glance.changed.any()
        assert not glance.is_ripe()


def test_a_trembling_hand_is_no_change() -> None:
    rng = np.random.default_rng(4)
    gate = watched(noisy(paper(*RECEIPT), rng))
    for _ in range(30):
        dx, dy = rng.uniform(-0.5, 0.5, 2)
        glance = gate.look(noisy(paper(*RECEIPT, dx=dx, dy=dy), rng))
        assert not glance.changed.any()
        assert not glance.moving.any()


def test_a_digit_that_changes_is_noticed_where_it_is() -> None:
    rng = np.random.default_rng(5)
    gate = watched(*[noisy(paper(*RECEIPT), rng) for _ in range(3)])
    other = (("TOTAL 12.80", 130, 130), *RECEIPT[1:])
    gate.look(noisy(paper(*other), rng))
    glance = gate.look(noisy(paper(*other), rng))
    assert glance.is_ripe()
    assert glance.changed_at(quad(130, 105, 320, 140))
    assert not glance.changed_at(quad(130, 250, 320, 280))


def test_what_left_is_a_change_whatever_its_contrast() -> None:
    rng = np.random.default_rng(6)
    gate = watched(noisy(paper(*RECEIPT), rng))
    assert gate.look(noisy(paper(), rng)).changed_at(quad(130, 105, 320, 140))


def test_a_sliding_sheet_is_not_ripe_before_it_stands_still() -> None:
    rng = np.random.default_rng(7)
    gate = watched(noisy(np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8), rng))
    for dx in (400, 300, 200, 100, 40):
        glance = gate.look(noisy(paper(*RECEIPT, dx=dx), rng))
        assert glance.moving.any()
        assert not glance.is_ripe()
    gate.look(noisy(paper(*RECEIPT), rng))
    glance = gate.look(noisy(paper(*RECEIPT), rng))
    assert not glance.moving.any()
    assert glance.is_ripe()


def test_a_change_far_from_something_that_moves_is_ripe() -> None:
    rng = np.random.default_rng(8)
    gate = watched(noisy(paper(), rng))

    def frame(i: int, *texts: tuple[str, int, int]) -> Image:
        image = noisy(paper(*texts), rng)
        image[0:40, 20 * i : 20 * i + 60] = 250
        return image

    gate.look(frame(0, ("NEW", 400, 270)))
    glance = gate.look(frame(1, ("NEW", 400, 270)))
    assert glance.moving.any()
    assert glance.is_ripe()
    assert glance.differs_at(quad(0, 0, 640, 40))
    assert not glance.moves_at(quad(400, 240, 480, 275))


def test_another_frame_size_starts_anew() -> None:
    gate = watched(paper())
    glance = gate.look(paper()[: HEIGHT // 2])
    assert glance.changed.all()
    assert not glance.has_before


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 2000, 3), (719, 1279, 3)])
def test_frames_of_any_size_are_compared(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(9)
    image = rng.integers(0, 255, shape, dtype=np.uint8)
    gate = watched(image)
    assert not gate.look(image).changed.any()


def test_places_outside_of_the_frame_take_the_nearest_block() -> None:
    grid = np.array([[True, False], [False, False]])
    glance = Glance(grid, np.zeros_like(grid), 64)
    assert glance.changed_at(quad(-50, -50, -10, -10))
    assert not glance.changed_at(quad(500, 500, 600, 600))
