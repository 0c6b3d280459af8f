"""Layouts of things that carry text: labels, cards, plates, displays, wire markers, signs and screens."""

from dataclasses import replace

import numpy as np

from train.data import segments, surfaces
from train.data.chance import pick
from train.data.crops import glow
from train.data.documents import BY_NAME
from train.data.font_book import FontBook
from train.data.ink import open_font
from train.data.phrases import Writer
from train.data.sheet import Sheet

_MEASURES = (
    "LITRES",
    "LITERS",
    "PRICE",
    "TOTAL",
    "kg",
    "VOLUME",
    "GALLONS",
    "EUR",
    "TEMP",
    "SPEED",
    "{WORD}",
    "{WORD}",
)


def label(rng: np.random.Generator, fonts: FontBook, size_hw: tuple[int, int]) -> Sheet:
    """A nameplate, parcel label or ticket: lines of several sizes, boxes, a bar code."""
    kind = BY_NAME[pick(rng, ("nameplate", "ticket"))]
    sheet, writer = Sheet(rng, kind, fonts, size_hw), Writer(rng)
    height, width = sheet.size_hw
    em = height / rng.uniform(6, 16)
    large, small = sheet.type(em), sheet.type(em)
    if rng.random() < 0.5:
        sheet.block(3, 3, width - 4, height - 4, sheet.tone, thickness=2)
    y = em * 1.2
    while y < height - 0.4 * em:
        size = em * (rng.uniform(1.2, 2.2) if rng.random() < 0.15 else rng.uniform(0.6, 1.0))
        y += 0.3 * size
        if rng.random() < 0.08:
            sheet.bars(0.1 * width, y, 0.7 * width, y + 2 * em)
            y += 2.6 * em
        used = sheet.print(
            _some_text(writer, kind.texts), (0.6 * em, y + 0.7 * size), pick(rng, (large, small)), em_px=size
        )
        if used < 0.5 * width and rng.random() < 0.6:
            sheet.print(
                writer.make("nameplate"), (width - 0.6 * em, y + 0.7 * size), small, anchor="r", em_px=0.8 * size
            )
        y += size * rng.uniform(0.9, 1.4)
    return sheet


def card(rng: np.random.Generator, fonts: FontBook, size_hw: tuple[int, int]) -> Sheet:
    """An identity card, visa or passport page: portrait, fields and their names, machine-readable lines at the foot."""
    width = size_hw[1]
    sheet, writer = Sheet(rng, BY_NAME["card"], fonts, (round(width / rng.uniform(1.4, 1.6)), width)), Writer(rng)
    height = sheet.size_hw[0]
    zone = Sheet(rng, replace(BY_NAME["mrz"], prints=("plain",)), fonts, (8, 8)).type(12)
    lines = writer.mrz()
    em = rng.uniform(0.86, 0.95) * width / (open_font(zone.path, 100).getlength(lines[0]) / 100)
    sheet.tone = np.minimum(sheet.tone, 60)
    top = height - (len(lines) + 0.4) * 1.7 * em
    for i, line in enumerate(lines):
        sheet.print(line, (0.025 * width, top + (i + 0.9) * 1.7 * em), replace(zone, narrow=1.0), em_px=em)
    sheet.block(0.04 * width, 0.2 * height, 0.3 * width, top - em, rng.uniform(60, 190, 3))
    size = width / rng.uniform(34, 52)
    keys, values, y = sheet.type(size), sheet.type(size), 0.1 * height
    sheet.print(writer.WORD(), (0.04 * width, y), values, em_px=1.3 * size)
    sheet.print(writer.fill("{WORD} / {WORD}"), (0.96 * width, y), keys, anchor="r")
    y += 2.4 * size
    while y < top - 2 * size:
        for x in (0.34, 0.7):
            sheet.print(writer.fill("{word}/{word}"), (x * width, y), keys, em_px=max(7, 0.6 * size))
            sheet.print(writer.make("card"), (x * width, y + 1.2 * size), values)
        y += 2.7 * size
    return sheet


def plate(rng: np.random.Generator, fonts: FontBook, size_hw: tuple[int, int]) -> Sheet:
    """A licence plate: European with its blue end and seals, or American with the state above and a motto below."""
    is_us, width = rng.random() < 0.5, size_hw[1]
    kind = BY_NAME["plate_us" if is_us else "plate_eu"]
    sheet, writer = (
        Sheet(rng, kind, fonts, (round(width / (2.0 if is_us else rng.uniform(4.0, 4.7))), width)),
        Writer(rng),
    )
    height = sheet.size_hw[0]
    sheet.block(1, 1, width - 2, height - 2, sheet.tone, thickness=max(1, height // 30))
    text, room = writer.make(kind.name), 0.84
    if not is_us and rng.random() < 0.75:
        sheet.block(2, 2, 0.09 * width, height - 3, (rng.uniform(90, 200), rng.uniform(20, 70), rng.uniform(0, 50)))
        room = 0.78
    em = height * (0.78 if is_us else 1.02)
    how = sheet.type(em)
    wide = len(text) * 0.55 * em
    how = replace(how, narrow=float(np.clip(room * width / wide * rng.uniform(0.85, 1.0), 0.4, 1.2)), spacing=0.02)
    base = height * (0.72 if is_us else 0.84)
    middle = width / 2 + (0.03 * width if room < 0.8 else 0)
    if not sheet.print(text, (middle, base), how, anchor="m"):
        sheet.print(text, (middle, base), replace(how, narrow=how.narrow * 0.75), anchor="m", em_px=0.85 * em)
    if is_us:
        small = sheet.type(0.17 * height)
        sheet.print(writer.WORD(), (width / 2, 0.19 * height), small, anchor="m")
        sheet.print(writer.words(), (width / 2, 0.95 * height), small, anchor="m", em_px=0.12 * height)
    return sheet


def panel(rng: np.random.Generator, fonts: FontBook, size_hw: tuple[int, int]) -> Sheet:
    """A pump, scale or instrument: windows with seven-segment numbers, and words beside and below."""
    sheet, writer = Sheet(rng, BY_NAME["nameplate"], fonts, size_hw), Writer(rng)
    height, width = sheet.size_hw
    rows = int(rng.integers(1, 4))
    how, cell = sheet.type(height / rows / 5), height / rows
    for row in range(rows):
        text = writer.make("display")
        while not segments.can_show(text):
            text = writer.make("display")
        ground, tone = BY_NAME["display"].colours(rng)
        digit = round(cell * rng.uniform(0.3, 0.5))
        lit, everything = segments.draw(text, digit, segments.SegmentShape.by_chance(rng))
        top, left = row * cell + 0.12 * cell, width * rng.uniform(0.04, 0.2)
        x1, y1 = min(width - 4, left + max(lit.shape[1] + digit, width * rng.uniform(0.4, 0.7))), top + digit * 1.5
        if left + lit.shape[1] + 4 > x1:
            continue
        window = sheet.pixels[round(top) : round(y1), round(left) : round(x1)]
        window[...] = surfaces.gradient(rng, window.shape[:2], ground) if rng.random() < 0.5 else np.rint(ground)
        sheet.block(left, top, x1, y1, sheet.tone, thickness=max(1, digit // 20))
        x = x1 - lit.shape[1] - 0.3 * digit if rng.random() < 0.7 else left + 0.3 * digit
        sheet.shine(everything, x, top + 0.25 * digit, tone, rng.uniform(0, 0.12))
        if tone.max() > ground.max():
            sheet.shine(glow(lit, 0.08 * digit), x, top + 0.25 * digit, tone, 0.5)
        sheet.stamp(lit, text, x, top + 0.25 * digit, tone=tone)
        word = pick(rng, _MEASURES)
        sheet.print(writer.fill(word), ((left + x1) / 2, y1 + 0.28 * cell), how, anchor="m")
    return sheet


def sleeve(rng: np.random.Generator, fonts: FontBook, size_hw: tuple[int, int]) -> Sheet:
    """One wire marker: a word of capitals and digits along a tube."""
    sheet, writer = Sheet(rng, BY_NAME["wire"], fonts, size_hw), Writer(rng)
    height, width = sheet.size_hw
    em = height * rng.uniform(0.45, 0.85)
    sheet.print(writer.make("wire"), (width / 2, height / 2 + 0.35 * em), sheet.type(em), anchor="m")
    return sheet


def sign(rng: np.random.Generator, fonts: FontBook, size_hw: tuple[int, int]) -> Sheet:
    """A shop or street sign, a poster: one to five lines, centred or not, in one or two fonts."""
    sheet, writer = Sheet(rng, BY_NAME["sign"], fonts, size_hw), Writer(rng)
    height, width = sheet.size_hw
    rows = int(rng.choice((1, 1, 2, 2, 3, 5)))
    if rng.random() < 0.3:
        sheet.block(4, 4, width - 5, height - 5, sheet.tone, thickness=2)
    types = [sheet.type(height / rows * 0.7) for _ in range(2)]
    anchor = pick(rng, ("m", "m", "l"))
    for row in range(rows):
        text, size = writer.make("sign"), height / rows * rng.uniform(0.4, 0.85)
        how, x = types[row % 2], width / 2 if anchor == "m" else 0.06 * width
        size = min(size, 0.9 * width / (how.narrow * (0.62 + how.spacing) * max(1, len(text))))
        sheet.print(text, (x, (row + 0.5) * height / rows + 0.35 * size), how, anchor=anchor, em_px=size)
    return sheet


def screen(rng: np.random.Generator, fonts: FontBook, size_hw: tuple[int, int]) -> Sheet:
    """A window on a monitor: bars, menus, rows of fields."""
    sheet, writer = Sheet(rng, BY_NAME["screen"], fonts, size_hw), Writer(rng)
    height = sheet.size_hw[0]
    em = rng.uniform(11, 30)
    how, y = sheet.type(em), 1.5 * em
    while y < height - em:
        x = em * rng.uniform(0.6, 3)
        for _ in range(rng.integers(1, 5)):
            x += sheet.print(writer.make("screen"), (x, y), how) + em * rng.uniform(1.5, 6)
        y += em * rng.uniform(1.2, 2.6)
    return sheet


def _some_text(writer: Writer, kinds: tuple[str, ...]) -> str:
    kind = pick(writer.rng, kinds)
    return writer.checked() if kind == "checked_text" else writer.make(kind)
