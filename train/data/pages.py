"""Pictures of whole documents, signs and empty scenes, with the place and text of every line."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data import text as texts
from train.data.camera import Colour, photograph, texture
from train.data.chance import pick
from train.data.fonts import load_font
from train.data.paper import LabelledQuad, Paper, laid_lines, lay, laying

__all__ = ["LabelledQuad", "render_page"]

_TEXT_FREE = 0.1


def render_page(rng: np.random.Generator, fonts: Sequence[Path]) -> tuple[NDArray[np.uint8], list[LabelledQuad]]:
    """Draw a receipt, form, sign or clutter on some surface and photograph it; one page in ten has no text.

    Args:
        rng: The same state gives the same picture, given the same fonts.
        fonts: Files to choose from, not empty (`find_fonts`).

    Returns:
        A picture (H, W, 3) uint8 BGR of about 720 x 1280 or 1280 x 720, and its lines, all inside the picture.
    """
    size_hw = (720, 1280) if rng.random() < 0.6 else (1280, 720)
    size_hw = (int(size_hw[0] * rng.uniform(0.85, 1.15)), int(size_hw[1] * rng.uniform(0.85, 1.15)))
    blue, green, red = (int(value) for value in rng.integers(30, 210) + rng.integers(-25, 26, 3))
    scene = texture(rng, size_hw, (blue, green, red))
    if rng.random() < _TEXT_FREE:
        return photograph(rng, _shapes(rng, scene), blur_px=1.5), []
    writers = (_write_receipt, _write_receipt, _write_form, _write_form, _write_sign, _write_clutter)
    paper = pick(rng, writers)(rng, size_hw, fonts)
    homography = laying(paper.size_hw, _corners(rng, paper.size_hw, size_hw))
    scene = lay(scene, paper.pixels, homography, shadow=rng.uniform(0.1, 0.5))
    return photograph(rng, scene, blur_px=0.9), laid_lines(paper.lines, homography)


def _corners(rng: np.random.Generator, paper_hw: tuple[int, int], scene_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Place a paper in the scene: turned a little, in slight perspective, and no corner outside."""
    height, width = paper_hw
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    corners *= 1 + rng.uniform(-0.03, 0.03, (4, 2))
    angle = np.deg2rad(rng.normal(0, 3))
    corners = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    room = np.array(scene_hw[::-1]) - 2 - np.ptp(corners, axis=0)
    corners *= min(1.0, *(1 + np.minimum(room, 0) / np.ptp(corners, axis=0)))
    room = np.array(scene_hw[::-1]) - 2 - np.ptp(corners, axis=0)
    return np.asarray(corners - corners.min(axis=0) + 1 + room * rng.uniform(0, 1, 2), np.float32)


def _write_receipt(rng: np.random.Generator, scene_hw: tuple[int, int], fonts: Sequence[Path]) -> Paper:
    paper, ink = _blank(rng, scene_hw, (rng.uniform(0.6, 0.98), rng.uniform(0.4, 0.9)))
    height, width = paper.size_hw
    file = pick(rng, fonts)
    em = int(rng.integers(18, 36))
    font, margin = load_font(file, em), em * 1.2
    y = em * 2.2
    paper.write(texts.phrase(rng), (width / 2, y), load_font(file, int(em * 1.5)), ink, anchor="ms")
    for _ in range(rng.integers(0, 3)):
        y += em * 1.5
        paper.write(texts.address(rng), (width / 2, y), font, ink, anchor="ms")
    step = em * rng.uniform(1.3, 1.9)
    while y + 2 * step < height - margin:
        y += step
        if rng.random() < 0.1:
            paper.draw.line((margin, y, width - margin, y), ink, 2)
            continue
        item = (texts.phrase, texts.serial, texts.labelled, texts.date)[rng.choice(4, p=(0.6, 0.15, 0.15, 0.1))]
        paper.write(texts.price(rng), (width - margin, y), font, ink, anchor="rs")
        paper.write(item(rng), (margin, y), font, ink)
    return paper


def _write_form(rng: np.random.Generator, scene_hw: tuple[int, int], fonts: Sequence[Path]) -> Paper:
    paper, ink = _blank(rng, scene_hw, (rng.uniform(0.6, 0.98), rng.uniform(0.7, 0.98)))
    height, width = paper.size_hw
    label_file, value_file = pick(rng, fonts), pick(rng, fonts)
    em = int(rng.integers(18, 34))
    value_font, label_font = load_font(value_file, em), load_font(label_file, int(em * rng.uniform(0.55, 0.9)))
    columns = int(rng.integers(1, 4))
    paper.write(texts.phrase(rng), (em, em * 1.8), load_font(label_file, int(em * 1.4)), ink)
    has_boxes = rng.random() < 0.6
    cell_h, cell_w = int(em * rng.uniform(2.4, 3.2)), (width - 2 * em) / columns
    for top in range(int(em * 2.6), height - cell_h - 4, cell_h):
        for column in range(columns):
            left = em + column * cell_w
            if has_boxes:
                paper.draw.rectangle((left, top, left + cell_w, top + cell_h), outline=ink)
            paper.write(texts.phrase(rng), (left + em / 3, top + cell_h * 0.36), label_font, ink)
            paper.write(texts.random_text(rng), (left + em / 3, top + cell_h * 0.86), value_font, ink)
    return paper


def _write_sign(rng: np.random.Generator, scene_hw: tuple[int, int], fonts: Sequence[Path]) -> Paper:
    paper, ink = _blank(rng, scene_hw, (rng.uniform(0.3, 0.7), rng.uniform(0.5, 0.95)))
    height, width = paper.size_hw
    if rng.random() < 0.5:
        paper.draw.rounded_rectangle((6, 6, width - 7, height - 7), 20, outline=ink, width=4)
    file, y = pick(rng, fonts), 20.0
    while y < height:
        em = int(rng.integers(36, 140))
        y += em * 1.15
        font = load_font(file, em)
        if not paper.write(texts.phrase(rng), (width / 2, y), font, ink, anchor="ms"):
            paper.write(pick(rng, texts.WORDS).upper(), (width / 2, y), font, ink, anchor="ms")
    return paper


def _write_clutter(rng: np.random.Generator, scene_hw: tuple[int, int], fonts: Sequence[Path]) -> Paper:
    """Lines of any font and size wherever there is room, like a machine's front or a package."""
    paper, ink = _blank(rng, scene_hw, (0.97, 0.97))
    height, width = paper.size_hw
    for _ in range(rng.integers(8, 40)):
        font = load_font(pick(rng, fonts), int(np.exp(rng.uniform(np.log(16), np.log(80)))))
        paper.write(texts.random_text(rng), (rng.uniform(0, 0.9 * width), rng.uniform(0, height)), font, ink)
    return paper


def _blank(
    rng: np.random.Generator, scene_hw: tuple[int, int], parts_hw: tuple[float, float]
) -> tuple[Paper, tuple[int, int, int]]:
    """A paper that takes these parts of the scene's height and width, and an ink for it."""
    size_hw = (int(scene_hw[0] * parts_hw[0]), int(scene_hw[1] * parts_hw[1]))
    ground, ink = _paper_and_ink(rng)
    is_plain = rng.random() < 0.6
    return Paper(np.full((*size_hw, 3), ground, np.uint8) if is_plain else texture(rng, size_hw, ground)), ink


def _paper_and_ink(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Choose two colours that can be told apart: mostly dark on light, one time in four the other way."""
    light = rng.integers(165, 256) + rng.integers(-35, 1, 3) * rng.integers(2)
    dark = rng.integers(0, 60) + rng.integers(0, 35, 3)
    if rng.random() < 0.2:
        # A strong colour instead of the dark one: signs, stamps, coloured print.
        dark[rng.integers(3)] = rng.integers(100, 180)
    pair: tuple[Colour, Colour] = _colour(light), _colour(dark)
    return pair if rng.random() < 0.75 else pair[::-1]


def _colour(values: NDArray[np.int64]) -> Colour:
    blue, green, red = (int(value) for value in np.clip(values, 0, 255))
    return blue, green, red


def _shapes(rng: np.random.Generator, scene: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cover a scene with things that are no text: cards, rings, rods, and the fine stripes a detector falls for."""
    scene = scene.copy()
    height, width = scene.shape[:2]
    draws: tuple[Callable[[tuple[int, int], tuple[int, int], tuple[int, ...]], object], ...] = (
        lambda a, b, colour: cv2.rectangle(scene, a, b, colour, -1),
        lambda a, b, colour: cv2.circle(scene, a, abs(b[0] - a[0]) // 3 + 4, colour, 5),
        lambda a, b, colour: cv2.line(scene, a, b, colour, 3, cv2.LINE_AA),
        lambda a, b, colour: _stripes(scene, a, colour),
    )
    for _ in range(rng.integers(3, 20)):
        start, end = ((int(x), int(y)) for x, y in rng.integers(0, (width, height), (2, 2)))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        pick(rng, draws)(start, end, colour)
    return scene


def _stripes(scene: NDArray[np.uint8], corner: tuple[int, int], colour: tuple[int, ...]) -> None:
    for i in range(12):
        x = corner[0] + 9 * i
        cv2.line(scene, (x, corner[1]), (x, corner[1] + 40), colour, 1 + i % 3)
