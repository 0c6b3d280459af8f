"""First labels of pictures of one's own: what a pack finds and reads, to be corrected in a browser.

They become a label file of `train.datasets.formats` and one HTML page that needs nothing beside it: every line's
picture, the least sure first, with its text in a field. What the page saves is the label file again. Unlike `edge-ocr
read`, which leaves out what it is not sure of, all that was found is there: what reads badly is what is to be learnt.
"""

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError, ImageError
from edge_ocr.geometry import Quad
from edge_ocr.images import iter_images
from edge_ocr.recognition import cut_line

SHOWN_HEIGHT = 48
"""Pixels of a line on the page."""
JPEG_QUALITY = 85

PAGE = """<!doctype html><html lang=en><meta charset=utf-8><title>Labels</title><style>
body{font:15px system-ui,sans-serif;margin:2em auto;max-width:960px;padding:0 1em}
p.l{display:flex;gap:1em;align-items:center;margin:.4em 0}p.l span{flex:0 0 50%;text-align:right}
img{max-width:100%}input{flex:1;font:18px monospace;padding:.2em}small{color:#777;width:3em}
</style><h1>Labels</h1><p>Correct each text to what its picture says, spaces and case too. Leave a field empty where
nobody could tell, or where there is no text. <button>Save labels.jsonl</button><div></div><script>
const pages=DATA,crops=DATA,rows=[];
pages.forEach((page,p)=>page.lines.forEach((line,n)=>rows.push([line.score,line,crops[p][n],page.image])));
rows.sort((a,b)=>a[0]-b[0]);
for(const [score,line,crop,image] of rows){
  const row=document.createElement("p"),box=document.createElement("span"),picture=new Image(),
    field=document.createElement("input"),sure=document.createElement("small");
  row.className="l";picture.src="data:image/jpeg;base64,"+crop;picture.title=image;field.value=line.text;
  sure.textContent=score.toFixed(2);field.oninput=()=>{line.text=field.value};
  box.append(picture);row.append(box,field,sure);document.querySelector("div").append(row);
}
document.querySelector("button").onclick=()=>{
  const label=({polygon,text})=>({polygon,text:text.trim()});
  const file=pages.map(({image,lines})=>JSON.stringify({image,lines:lines.map(label)})+"\\n").join("");
  const link=document.createElement("a");link.download="labels.jsonl";
  link.href=URL.createObjectURL(new Blob([file],{type:"application/jsonl"}));link.click();
};
</script></html>
"""


def write_first_labels(
    images: Sequence[str], out: Path, *, pack: str = "latin", profile: str = "auto"
) -> tuple[int, int]:
    """Make a label file, and a page to correct it with, of what a pack finds and reads.

    Args:
        images: Files, folders and globs.
        out: The label file, new; the page goes beside it with the suffix `.html`. Paths in it are relative to it.
        pack: Name or folder.
        profile: Name or file.

    Returns:
        How many images, and how many lines on them.

    Raises:
        ConfigError: `out` is there already, and may hold an afternoon's corrections.
        ImageError: an image cannot be read, or has several pages.
    """
    from edge_ocr.reader import Reader

    if out.exists():
        raise ConfigError(f"{out}: is there already; move it away if its labels are not wanted any more")
    reader = Reader(pack, profile)
    pages: list[dict[str, Any]] = []
    crops: list[list[str]] = []
    for image in iter_images(images):
        if isinstance(image, ImageError):
            raise image
        if not Path(image.name).is_file():
            raise ImageError(f"{image.name}: a page of several; save the pages as files")
        read = reader.recognize(image.pixels, reader.detect(image.pixels).quads).lines
        lines = [{"polygon": _rounded(line.quad), "text": line.text, "score": line.score} for line in read]
        crops.append([_picture(image.pixels, line.quad) for line in read])
        pages.append({"image": os.path.relpath(image.name, out.parent), "lines": lines})
    out.parent.mkdir(parents=True, exist_ok=True)
    before, between, after = PAGE.split("DATA")
    page = f"{before}{_script(pages)}{between}{_script(crops)}{after}"
    out.with_suffix(".html").write_text(page, encoding="utf-8")
    for each in pages:
        for line in each["lines"]:
            del line["score"]  # the page's alone; a line without text counts for nothing until it gets one
    out.write_text("".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in pages), encoding="utf-8")
    return len(pages), sum(map(len, crops))


def _picture(image: NDArray[np.uint8], quad: Quad) -> str:
    crop = cut_line(image, quad, SHOWN_HEIGHT)
    _, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return base64.b64encode(data.tobytes()).decode()


def _rounded(quad: Quad) -> list[list[float]]:
    return [[round(float(x), 1), round(float(y), 1)] for x, y in quad]


def _script(value: Any) -> str:
    """As JavaScript: nothing in it ends the script element."""
    return json.dumps(value).replace("<", "\\u003c")
