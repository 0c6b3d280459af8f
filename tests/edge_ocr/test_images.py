import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_ocr.errors import ImageError
from edge_ocr.images import MAX_PIXELS, LoadedImage, iter_images, load_image, load_pages

RED_BGR = (0, 0, 255)


def red(width: int = 6, height: int = 4) -> Image.Image:
    return Image.new("RGB", (width, height), "red")


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        pytest.param("bmp", {}, id="BMP"),
        pytest.param("gif", {}, id="GIF"),
        pytest.param("jpg", {}, id="JPEG"),
        pytest.param("jpg", {"progressive": True}, id="progressive JPEG"),
        pytest.param("png", {}, id="PNG"),
        pytest.param("ppm", {}, id="PPM"),
        pytest.param("tif", {}, id="TIFF"),
        pytest.param("tiff", {"compression": "tiff_lzw"}, id="TIFF with LZW"),
        pytest.param("tiff", {"compression": "jpeg"}, id="TIFF with JPEG"),
        pytest.param("webp", {"lossless": True}, id="WebP"),
    ],
)
def test_every_format_comes_as_bgr(tmp_path: Path, suffix: str, options: dict[str, Any]) -> None:
    file = tmp_path / f"red.{suffix}"
    red().save(file, **options)
    pixels = load_image(file)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    np.testing.assert_allclose(pixels, np.broadcast_to(RED_BGR, (4, 6, 3)), atol=2)


def palette_with_a_hole() -> Image.Image:
    image = red().convert("P")
    image.info["transparency"] = image.getpixel((0, 0))
    return image


@pytest.mark.parametrize(
    ("image", "suffix", "bgr"),
    [
        pytest.param(Image.new("1", (6, 4), 1), "png", (255, 255, 255), id="1 bit"),
        pytest.param(Image.new("L", (6, 4), 77), "png", (77, 77, 77), id="grey"),
        pytest.param(Image.new("LA", (6, 4), (0, 0)), "png", (255, 255, 255), id="grey, transparent: white paper"),
        pytest.param(Image.new("RGBA", (6, 4), (255, 0, 0, 255)), "png", RED_BGR, id="colour with opacity"),
        pytest.param(Image.new("RGBA", (6, 4), (0, 0, 0, 0)), "png", (255, 255, 255), id="transparent: white paper"),
        pytest.param(Image.new("RGBA", (6, 4), (0, 0, 0, 128)), "png", (127, 127, 127), id="half transparent ink"),
        pytest.param(red().convert("P"), "png", RED_BGR, id="palette"),
        pytest.param(palette_with_a_hole(), "png", (255, 255, 255), id="palette with a transparent colour"),
        pytest.param(Image.new("CMYK", (6, 4), (0, 255, 255, 0)), "tif", RED_BGR, id="CMYK TIFF"),
        pytest.param(Image.new("CMYK", (6, 4), (0, 255, 255, 0)), "jpg", RED_BGR, id="CMYK JPEG"),
        pytest.param(red().convert("YCbCr"), "jpg", RED_BGR, id="YCbCr"),
        pytest.param(Image.fromarray(np.full((4, 6), 200 * 257, np.uint16)), "png", (200,) * 3, id="16 bit PNG"),
        pytest.param(Image.fromarray(np.full((4, 6), 200 * 257, np.uint16)), "tif", (200,) * 3, id="16 bit TIFF"),
        pytest.param(Image.fromarray(np.full((4, 6), 200, np.int32)), "tif", (200,) * 3, id="32 bit TIFF of bytes"),
        pytest.param(Image.fromarray(np.full((4, 6), 200, np.float32)), "tif", (200,) * 3, id="float TIFF of bytes"),
    ],
)
def test_every_mode_comes_as_bgr(tmp_path: Path, image: Image.Image, suffix: str, bgr: tuple[int, int, int]) -> None:
    file = tmp_path / f"image.{suffix}"
    image.save(file)
    np.testing.assert_allclose(load_image(file), np.broadcast_to(bgr, (4, 6, 3)), atol=2)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_float_image_of_shares_keeps_its_greys_whatever_else_is_in_it(tmp_path: Path, odd: float) -> None:
    shares = np.array([[0.0, 0.5, 1.0, odd]], np.float32)
    Image.fromarray(shares).save(tmp_path / "shares.tif")
    assert load_image(tmp_path / "shares.tif")[0, :, 0].tolist() == [0, 127, 255, 0]


def test_an_empty_name_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    red().save(tmp_path / "red.png")
    monkeypatch.chdir(tmp_path)
    (found,) = iter_images([""])
    assert isinstance(found, ImageError)
    assert str(found).startswith("'': no image there")


def test_a_file_that_pillow_would_hand_to_another_program_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "page.png"
    file.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    with pytest.raises(ImageError, match="not an image that can be read"):
        load_image(file)


def test_16_bit_greys_keep_their_order(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None]
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    np.testing.assert_allclose(load_image(tmp_path / "ramp.png")[0, :, 0], np.arange(256), atol=1)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize(
    ("orientation", "corner"),
    [
        pytest.param(1, (0, 0), id="upright"),
        pytest.param(3, (-1, -1), id="upside down"),
        pytest.param(6, (0, -1), id="turned left"),
        pytest.param(8, (-1, 0), id="turned right"),
        pytest.param(2, (0, -1), id="mirrored"),
    ],
)
def test_the_exif_tag_turns_an_image_upright(
    tmp_path: Path, suffix: str, orientation: int, corner: tuple[int, int]
) -> None:
    pixels = np.zeros((32, 64, 3), dtype=np.uint8)
    pixels[:16, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / f"image.{suffix}", exif=exif)
    turned = load_image(tmp_path / f"image.{suffix}")
    assert turned.shape == ((64, 32, 3) if orientation in {6, 8} else (32, 64, 3))
    bright = {(y, x) for y in (0, -1) for x in (0, -1) if turned[y, x, 0] > 128}
    assert bright == {corner}


def test_every_page_of_a_tiff_is_loaded_and_numbered(tmp_path: Path) -> None:
    file = tmp_path / "pages.tif"
    pages = [Image.new("RGB", (4, n), "white") for n in (2, 3, 5)]
    pages[0].save(file, save_all=True, append_images=pages[1:])
    loaded = list(load_pages(file))
    assert [page.name for page in loaded] == [str(file), f"{file}#2", f"{file}#3"]
    assert [page.pixels.shape[0] for page in loaded] == [2, 3, 5]
    assert load_image(file).shape == (2, 4, 3)


def test_the_first_frame_of_an_animation_counts(tmp_path: Path) -> None:
    file = tmp_path / "blink.gif"
    red().save(file, save_all=True, append_images=[Image.new("RGB", (6, 4), "blue")])
    (page,) = load_pages(file)
    assert tuple(page.pixels[0, 0]) == RED_BGR


def test_the_pages_before_a_damaged_one_are_still_loaded(tmp_path: Path) -> None:
    file = tmp_path / "pages.tif"
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    red().save(file, save_all=True, append_images=[noise])
    file.write_bytes(file.read_bytes()[:-2000])
    found = list(iter_images([str(file)]))
    assert isinstance(found[0], LoadedImage)
    assert isinstance(found[-1], ImageError)


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(encoded(NOISE, "JPEG")[:2000], "cannot be read .*truncated", id="a truncated JPEG"),
        pytest.param(encoded(NOISE, "PNG")[:2000], "cannot be read .*truncated", id="a truncated PNG"),
        pytest.param(encoded(NOISE, "PNG")[:20], "cannot be read", id="the head of a PNG"),
        pytest.param(b"Dear Sir or Madam,\n", "not an image that can be read", id="a text file named .jpg"),
        pytest.param(b"", "not an image that can be read", id="an empty file"),
        pytest.param(b"%PDF-1.7\n", "not an image that can be read", id="a PDF"),
        pytest.param(png_header(20_000, 6000), r"too large \(20000 x 6000\).*at most 100 million", id="above 100 Mpx"),
        pytest.param(
            png_header(60_000, 50_000), r"too large \(3000000000 pixels\); at most 100", id="far above 100 Mpx"
        ),
        pytest.param(png_header(10_000, 10_000), "cannot be read", id="exactly 100 Mpx, without pixels"),
        pytest.param(None, "cannot be read .No such file or directory", id="no file"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_names_the_file(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "photo.jpg"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ImageError, match=f"photo.jpg: {message}") as caught:
        load_image(file)
    assert "\n" not in str(caught.value)


def test_a_large_image_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    Image.new("1", (MAX_PIXELS // 10_000 + 1, 10_000)).save(file, compress_level=1)
    # Were it decoded, the damage would be what is reported.
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ImageError, match="too large"):
        load_image(file)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"])
def test_damaged_files_are_loaded_or_refused(tmp_path: Path, format_: str) -> None:
    random = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    whole = encoded(NOISE.crop((0, 0, 12, 10)), format_, **({} if format_ in {"GIF", "BMP"} else {"exif": exif}))
    file = tmp_path / "damaged"
    for _ in range(100):
        content = np.frombuffer(whole, dtype=np.uint8).copy()
        content[random.integers(0, min(len(content), 400), 4)] = random.integers(0, 256, 4)
        file.write_bytes(content.tobytes())
        for found in iter_images([str(file)]):
            assert "\n" not in (str(found) if isinstance(found, ImageError) else found.name)


def names(found: list[LoadedImage | ImageError]) -> list[str]:
    return [Path(one.name).name if isinstance(one, LoadedImage) else "error" for one in found]


def test_a_folder_gives_its_images_by_name_without_other_files_and_folders(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "c.tiff"):
        red().save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "sub.png").mkdir()
    red().save(tmp_path / "sub.png" / "d.png")
    assert names(list(iter_images([str(tmp_path)]))) == ["a.JPG", "b.png", "c.tiff"]


def test_a_glob_gives_what_it_matches_in_order(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.png", "a.png", "c.bmp", "deep/d.png"):
        red().save(tmp_path / name)
    assert names(list(iter_images([f"{tmp_path}/*.png"]))) == ["a.png", "b.png"]
    assert names(list(iter_images([f"{tmp_path}/**/*.png"]))) == ["a.png", "b.png", "d.png"]


def test_a_file_with_a_name_like_a_glob_is_itself(tmp_path: Path) -> None:
    red().save(tmp_path / "photo[1].png")
    assert names(list(iter_images([f"{tmp_path}/photo[1].png"]))) == ["photo[1].png"]


def test_a_file_of_any_name_is_loaded(tmp_path: Path) -> None:
    red().save(tmp_path / "scan", "PNG")
    assert names(list(iter_images([str(tmp_path / "scan")]))) == ["scan"]


def test_the_others_are_loaded_when_one_cannot_be(tmp_path: Path) -> None:
    red().save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_text("no image")
    (tmp_path / "empty").mkdir()
    paths = [
        tmp_path / "bad.jpg",
        tmp_path / "missing.png",
        tmp_path / "empty",
        tmp_path / "*.webp",
        tmp_path / "good.png",
    ]
    assert names(list(iter_images([str(path) for path in paths]))) == ["error"] * 4 + ["good.png"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("x" * 5000, id="a name longer than a name can be"),
        pytest.param("a\0b", id="a name with a null byte"),
        pytest.param("nowhere/*.png", id="a glob that matches nothing"),
    ],
)
def test_a_path_that_cannot_be_is_one_error(path: str) -> None:
    (error,) = iter_images([path])
    assert isinstance(error, ImageError)
    assert "\n" not in str(error)
