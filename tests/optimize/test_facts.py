"""What network files say of themselves is what their pack says."""

import shutil
from pathlib import Path

import openvino as ov
import pytest

from edge_ocr.engines.openvino import shared_core
from edge_ocr.pack import load_pack
from optimize.facts import facts_of, write_rt_info

PACK = load_pack("latin")
FILES = [(name, file) for name, spec in PACK.networks.items() for file in (spec.files.fp, spec.files.int8) if file]


def said(model: ov.Model, name: str) -> str:
    text: str = model.get_rt_info(["edge_ocr", *name.split(".")]).astype(str)
    return text


@pytest.mark.parametrize(("network", "file"), FILES)
def test_every_ir_of_the_default_pack_carries_what_its_manifest_says(network: str, file: str) -> None:
    model = shared_core().read_model(PACK.folder / file)
    facts = facts_of(network, PACK.networks[network], PACK.charset)
    assert {name: said(model, name) for name in facts} == dict(facts)


def test_a_recogniser_carries_charset_and_looks() -> None:
    facts = facts_of("recognizer", PACK.networks["recognizer"], PACK.charset)
    assert facts["charset"].split("\n") == list(PACK.charset)
    assert (facts["network"], facts["height"], facts["second_look.height"]) == ("recognizer", "32", "48")
    assert "charset" not in facts_of("detector", PACK.networks["detector"], PACK.charset)


def test_facts_are_replaced_and_the_network_stays(tmp_path: Path) -> None:
    for suffix in (".xml", ".bin"):
        shutil.copy((PACK.folder / FILES[0][1]).with_suffix(suffix), tmp_path / f"n{suffix}")
    before = shared_core().read_model(tmp_path / "n.xml")
    write_rt_info(tmp_path / "n.xml", {"network": "<&\"'> ", "thresholds.bin": "0.5"})
    after = shared_core().read_model(tmp_path / "n.xml")
    assert (said(after, "network"), said(after, "thresholds.bin")) == ("<&\"'> ", "0.5")
    assert "scale" not in after.get_rt_info(["edge_ocr"]).value
    layers = [[node.get_friendly_name() for node in model.get_ordered_ops()] for model in (before, after)]
    assert layers[0] == layers[1]
