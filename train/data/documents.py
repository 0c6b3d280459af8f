"""Layouts of documents: receipts, forms and printed pages, each drawn onto a `Sheet`."""

import numpy as np

from train.data.crops import Type
from train.data.font_book import FontBook
from train.data.ink import open_font
from train.data.line_kinds import KINDS, LineKind
from train.data.phrases import Writer
from train.data.sheet import Sheet

BY_NAME: dict[str, LineKind] = {kind.name: kind for kind in KINDS}


def receipt(rng: np.random.Generator, fonts: FontBook, size_hw: tuple[int, int]) -> Sheet:
    """A head, rows of an item and its price, totals, a foot; in one font, its columns aligned."""
    sheet, writer = Sheet(rng, BY_NAME["receipt"], fonts, size_hw), Writer(rng)
    height, width = sheet.size_hw
    em = float(np.clip(width / rng.uniform(18, 34), 9, 44))
    how, margin, y = sheet.type(em), rng.uniform(0.5, 2) * em, em * rng.uniform(1.5, 3)
    step, middle = em * rng.uniform(1.05, 1.7), rng.random() < 0.7
    for i in range(rng.integers(2, 7)):
        text = writer.make("address") if i else writer.words()
        size = em * (rng.uniform(1.1, 2.0) if not i else 1)
        sheet.print(text, (width / 2 if middle else margin, y), how, anchor="m" if middle else "l", em_px=size)
        y += step * max(1.0, size / em)
    while y < height - 1.5 * em:
        _receipt_row(sheet, writer, how, (margin, y, width - margin), em)
        y += step * (1 if rng.random() < 0.9 else 1.8)
    return sheet


def _receipt_row(sheet: Sheet, writer: Writer, how: Type, row: tuple[float, float, float], em: float) -> None:
    rng, (left, y, right) = sheet.rng, row
    choice = rng.random()
    if choice < 0.55:
        used = sheet.print(writer.make("price"), (right, y), how, anchor="r")
        if rng.random() < 0.3:
            used += em * 2 + sheet.print(writer.make("number"), (right - used - 2 * em, y), how, anchor="r")
        text = writer.fill("{phrase}") if rng.random() < 0.7 else writer.fill("{receipt_key}")
        room = (right - left - used) / (0.6 * em)
        sheet.print(text[: max(1, int(room) - 1)], (left, y), how)
    elif choice < 0.75:
        key = sheet.print(writer.fill("{receipt_key}"), (left, y), how)
        sheet.print(writer.fill(": {serial}"), (left + key + em * rng.uniform(0.5, 3), y), how)
    elif choice < 0.9:
        sheet.print(writer.make("receipt"), ((left + right) / 2, y), how, anchor="m")
    elif choice < 0.96:
        sheet.rule(left, y - 0.3 * em, right, y - 0.3 * em)
    else:
        sheet.bars(left + em, y - em, right - em, y + em * 0.8)


def form(rng: np.random.Generator, fonts: FontBook, size_hw: tuple[int, int]) -> Sheet:
    """A title, then rows of keys and values, boxed, underlined or loose, with a paragraph here and there."""
    sheet, writer = Sheet(rng, BY_NAME["form"], fonts, size_hw), Writer(rng)
    height, width = sheet.size_hw
    em = float(np.clip(width / rng.uniform(34, 75), 8, 30))
    keys, values, margin = sheet.type(em), sheet.type(em), rng.uniform(1.5, 5) * em
    y = em * rng.uniform(2, 5)
    sheet.print(
        writer.words(), (width * rng.choice((0.3, 0.5, 0.7)), y), keys, anchor="m", em_px=em * rng.uniform(1.1, 2)
    )
    y += 2.5 * em
    while y < height - 2 * em:
        columns = int(rng.integers(1, 4))
        cell_w, cell_h = (width - 2 * margin) / columns, em * rng.uniform(1.3, 2.6)
        style = rng.choice(("boxed", "underlined", "loose", "loose", "text"))
        for row in range(rng.integers(1, 6)):
            base = y + row * cell_h
            if base > height - 1.5 * em:
                break
            if style == "text":
                sheet.print(writer.sentence(), (margin, base), keys)
                continue
            for column in range(columns):
                x = margin + column * cell_w
                if style == "boxed":
                    sheet.block(x, base - 1.1 * em, x + cell_w, base - 1.1 * em + cell_h, sheet.tone, thickness=1)
                used = sheet.print(writer.make("form")[:30], (x + 0.4 * em, base), keys)
                if used + 3 * em < cell_w and rng.random() < 0.75:
                    value = writer.make("form")[: max(1, int((cell_w - used) / em))]
                    sheet.print(value, (x + used + em * rng.uniform(0.8, 2), base), values)
                    if style == "underlined":
                        sheet.rule(x + used + 0.6 * em, base + 0.25 * em, x + cell_w - em, base + 0.25 * em)
        y += cell_h * rng.integers(2, 7)
    return sheet


def page(rng: np.random.Generator, fonts: FontBook, size_hw: tuple[int, int]) -> Sheet:
    """Columns of running text with headings, tables and pictures, down to small print."""
    sheet, writer = Sheet(rng, BY_NAME["page"], fonts, size_hw), Writer(rng)
    height, width = sheet.size_hw
    em, columns = rng.uniform(9, 22), int(rng.choice((1, 1, 2, 2, 3)))
    body, head, margin = sheet.type(em), sheet.type(em), width * rng.uniform(0.03, 0.1)
    y0 = margin + 2 * em
    if rng.random() < 0.6:
        sheet.print(writer.words(), (margin, y0), head, em_px=em * rng.uniform(1.4, 3))
        y0 += 3 * em
    gap = 1.6 * em
    column_w = (width - 2 * margin - (columns - 1) * gap) / columns
    for column in range(columns):
        x, y = margin + column * (column_w + gap), y0
        while y < height - margin:
            y = _page_part(sheet, writer, (body, head), (x, y, column_w, height - margin), em)
    return sheet


def _page_part(
    sheet: Sheet, writer: Writer, types: tuple[Type, Type], area: tuple[float, float, float, float], em: float
) -> float:
    body, head = types
    rng, (x, y, width, bottom) = sheet.rng, area
    step, choice = em * rng.uniform(1.1, 1.5), rng.random()
    if choice < 0.12:
        shade = np.clip(sheet.ground * rng.uniform(0.5, 1.0), 0, 255)
        sheet.block(x, y, x + width, min(bottom, y + rng.uniform(3, 10) * em), shade)
        return y + 11 * em
    if choice < 0.35:
        sheet.print(writer.words(), (x, y + em), head, em_px=em * rng.uniform(1.0, 1.5))
        return y + 2.2 * em
    rows = int(rng.integers(3, 14))
    cells = int(rng.integers(3, 6)) if choice < 0.55 else 0
    for _ in range(rows):
        y += step
        if y > bottom:
            break
        if cells:
            sheet.print(writer.words()[: int(width / cells / em)], (x, y), body)
            for cell in range(1, cells):
                text = writer.make("price") if rng.random() < 0.5 else writer.make("number")
                sheet.print(text, (x + width * (cell + 1) / cells, y), body, anchor="r")
            continue
        text = writer.sentence()
        while len(text) * 0.45 * em < width:
            text += " " + writer.sentence()
        sheet.print(_fitting(text, body, width), (x, y), body)
    return y + step


def _fitting(text: str, how: Type, width: float) -> str:
    font = open_font(how.path, how.em_px)
    words, line = text.split(), ""
    for word in words:
        longer = f"{line} {word}".strip()
        if font.getlength(longer) * how.narrow + how.spacing * how.em_px * len(longer) > width:
            break
        line = longer
    return line or words[0]
