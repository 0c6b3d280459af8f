"""The README tells the truth: its commands exist, its files are there, its examples fit the models."""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest
import yaml

import optimize.__main__
from edge_ocr.profile import list_profiles
from runtime.cli import COMMANDS
from runtime.config.kiosk import load_kiosk
from runtime.events import TextEvent
from runtime.mqtt import topics

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    README,
    *((ROOT / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "benchmarks/README.md")),
]


def blocks(language: str) -> list[str]:
    """The code blocks of a language in README.md."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def shell_lines() -> list[str]:
    """The commands of README.md, without comments."""
    joined = (block.replace("\\\n", " ") for block in blocks("sh"))
    lines = (line.partition("  #")[0].strip() for block in joined for line in block.splitlines())
    return [line for line in lines if line]


def arguments_of(program: str) -> list[list[str]]:
    """What follows a program in every command that runs it, up to a pipe or a redirection."""
    lines = [line.split(" > ")[0] for line in shell_lines() if line.startswith(program + " ")]
    return [shlex.split(line.removeprefix(program)) for line in lines]


@pytest.mark.parametrize("arguments", arguments_of(".venv/bin/edge-ocr"), ids=" ".join)
def test_a_command_of_the_readme_is_understood(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"runtime.commands.{arguments[0]}").add_arguments(parser)
    parser.parse_args(arguments[1:])


def test_every_command_is_in_the_readme() -> None:
    shown = {arguments[0] for arguments in arguments_of(".venv/bin/edge-ocr")} | {"demo"}
    assert shown == set(COMMANDS)


@pytest.mark.parametrize("arguments", arguments_of(".venv-dev/bin/python -m optimize"), ids=" ".join)
def test_a_way_to_make_a_pack_is_understood(arguments: list[str]) -> None:
    optimize.__main__._parser().parse_args(arguments)


def test_every_line_of_the_readme_runs_something_known() -> None:
    known = ("make ", ".venv/bin/edge-ocr ", ".venv-dev/bin/python -m optimize ", ".venv-dev/bin/python -m pip ")
    assert [line for line in shell_lines() if not line.startswith((*known, "mosquitto_sub "))] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=["README", "CONTRIBUTING", "benchmarks"])
def test_the_targets_of_make_exist(document: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^ *|`)make ([a-z][a-z-]*)", document, re.MULTILINE))
    assert named <= targets


def test_every_target_of_make_is_told_by_make_itself() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) - {"help"} == set(re.findall(r"@echo 'make ([a-z-]+) ", makefile))


def test_the_files_it_links_to_exist() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith(("#", "http"))]
    assert "docs/pipeline.svg" in links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_files_of_its_tree_exist() -> None:
    (tree,) = blocks("text")
    missing: list[str] = []
    folders: list[str] = []
    for line in tree.splitlines():
        names = re.split(r" {2,}", line.strip())[0].split(", ")
        level = (len(line) - len(line.lstrip())) // 2
        folders[level:] = [names[0]]
        missing += [name for name in names if not ROOT.joinpath(*folders[:level], name).exists()]
    assert missing == []


def test_the_files_of_its_picture_exist() -> None:
    picture = (ROOT / "docs" / "pipeline.svg").read_text(encoding="utf-8")
    files = re.findall(r'class="file"[^>]*>([^<]+)<', picture)
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_the_event_it_shows_fits_the_schema() -> None:
    (event,) = blocks("json")
    assert TextEvent.model_validate_json(event).text == "LINDQVIST"


def test_the_topics_it_shows_are_those_of_the_appliance() -> None:
    shown = set(re.findall(r"^\| `(<node>/[^`]+)`", README, re.MULTILINE))
    root, node, camera = "edge-ocr", "<node>", "<camera>"
    used = {
        topics.node_status(root, node),
        topics.node_metrics(root, node),
        topics.camera_status(root, node, camera),
        topics.camera_events(root, node, camera),
        topics.camera_text(root, node, camera),
        topics.camera_snapshot(root, node, camera),
        topics.command(root, node, None, "<command>"),
        topics.command(root, node, camera, "<command>"),
        topics.answer(root, node, None, "<command>"),
    }
    assert {f"{root}/{topic}" for topic in shown} == used


def test_its_kiosk_yaml_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = blocks("yaml")
    monkeypatch.setenv("CAM_PASSWORD", "secret")
    path = tmp_path / "kiosk.yaml"
    path.write_text(text, encoding="utf-8")
    config = load_kiosk(path)
    assert list(config.cameras) == ["door", "desk"]
    # Values shown as defaults are the defaults.
    (tmp_path / "bare.yaml").write_text("cameras: {door: {source: 0}}\n", encoding="utf-8")
    bare = load_kiosk(tmp_path / "bare.yaml")
    assert (config.profile, config.pack, config.mqtt.root) == (bare.profile, bare.pack, bare.mqtt.root)
    assert config.cameras["door"].min_score == bare.cameras["door"].min_score
    assert config.cameras["door"].min_reads == bare.cameras["door"].min_reads


def test_the_profiles_it_lists_are_the_shipped_ones() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|.*\| (yes|not yet) \|$", README, re.MULTILINE)
    shipped = {
        name: yaml.safe_load((ROOT / "profiles" / f"{name}.yaml").read_text(encoding="utf-8"))["verified"]
        for name in list_profiles()
    }
    assert {name: verified == "yes" for name, verified in rows} == shipped
