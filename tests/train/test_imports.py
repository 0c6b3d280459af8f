"""The training side runs on a bare GPU machine."""

import pkgutil
import subprocess
import sys

import pytest

import train

SCRIPT = """
import importlib, sys
sys.modules["openvino"] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


@pytest.mark.slow
def test_every_module_is_imported_without_openvino() -> None:
    names = [module.name for module in pkgutil.walk_packages(train.__path__, "train.")]
    assert "train.evaluation.readers" in names
    subprocess.run([sys.executable, "-c", SCRIPT, *(n for n in names if n != "train.__main__")], check=True)
