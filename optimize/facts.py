"""What network files say of themselves: a program that gets the file alone, without its pack, can use it too.

An IR carries it in `rt_info` below `edge_ocr`, an ONNX file in its metadata as `edge_ocr.<name>`:

    model.get_rt_info(["edge_ocr", "thresholds", "bin"]).astype(str)
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from edge_ocr.pack import Network, RecognizerSpec

ROOT = "edge_ocr"

Facts = Mapping[str, str]
"""By dotted name below `edge_ocr`."""


def facts_of(network: str, spec: Network, charset: Sequence[str]) -> Facts:
    """What pack.yaml says of a network, but for its files and gates.

    Args:
        network: Its name.
        spec: Of the pack.
        charset: A recogniser carries its characters in class order without the blank, one a line.
    """
    facts = {"network": network, **_flat(spec.model_dump(mode="json", exclude={"files", "gates"}))}
    return facts | {"charset": "\n".join(charset)} if isinstance(spec, RecognizerSpec) else facts


def write_rt_info(path: Path, facts: Facts) -> None:
    """Write facts into an IR's file (.xml), in place of those that it has; all else stays."""
    tree = ET.parse(path)
    info = tree.getroot().find("rt_info")
    if info is None:
        info = ET.SubElement(tree.getroot(), "rt_info")
    for old in info.findall(ROOT):
        info.remove(old)
    for name, value in facts.items():
        place = info
        for part in (ROOT, *name.split(".")):
            found = place.find(part)
            place = ET.SubElement(place, part) if found is None else found
        place.set("value", value)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def write_onnx_metadata(path: Path, facts: Facts) -> None:
    """Write facts into an ONNX file's metadata, in place of all that it has."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {f"{ROOT}.{name}": value for name, value in facts.items()})
    onnx.save(model, path)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            flat[prefix + key] = " ".join(map(str, value))
        elif value is not None:
            flat[prefix + key] = str(value)
    return flat
