"""A recogniser made narrower does as the full one does."""

from pathlib import Path

import pytest
import torch

from edge_ocr.errors import ConfigError, ModelError
from train.__main__ import main
from train.checkpoint import write_weights
from train.nets.ctc import Recognizer, ppocrv1_recognizer, ppocrv6_recognizer
from train.nets.ppocrv6 import PUBLISHED, SLIM
from train.recipe import load_recipe
from train.slim import WIDTH_STEP, choose_channels, make_slim, plan_widths, write_slim
from train.start import start_recognizer

N_CLASSES = 5
HALF = tuple(width // 2 for width in PUBLISHED)


@pytest.fixture(scope="module")
def full() -> Recognizer:
    """Random, but every second inner channel of each block repeats the one before: half of them can go."""
    torch.manual_seed(0)
    network = ppocrv6_recognizer(N_CLASSES).eval()
    with torch.no_grad():
        for name, parameter in network.backbone.named_parameters():
            if ".widen." in name:
                parameter[1::2] = parameter[::2]
    return network


def test_channels_that_repeat_others_are_left_out_without_a_loss(full: Recognizer) -> None:
    slim = ppocrv6_recognizer(N_CLASSES, HALF).eval()
    # Cells enough to tell 384 channels apart.
    seen, other = torch.randn(8, 3, 48, 128), torch.randn(2, 3, 48, 96)
    make_slim(full, slim, [seen])
    with torch.no_grad():
        before, after = full.backbone(other), slim.backbone(other)
    assert (after - before).norm() / before.norm() < 0.02


def test_repeated_channels_are_the_ones_that_a_plan_takes(full: Recognizer) -> None:
    widths = plan_widths(full, [torch.randn(4, 3, 48, 128)], share=0.5)
    assert len(widths) == len(PUBLISHED)
    assert all(width % WIDTH_STEP == 0 and width > 0 for width in widths)
    assert sum(widths) < sum(PUBLISHED)
    assert plan_widths(full, [torch.randn(1, 3, 48, 64)], share=1.0) == list(PUBLISHED)


def test_the_channel_that_explains_most_is_chosen_first() -> None:
    covariance = torch.diag(torch.tensor([1.0, 4.0, 1.0], dtype=torch.float64))
    shared = torch.tensor([[1.0], [1.0], [3.0]], dtype=torch.float64)
    assert choose_channels(covariance, shared, 1) == [2]
    assert choose_channels(covariance, shared, 2) == [0, 2]


def test_a_channel_that_is_chosen_already_in_another_guise_is_not_chosen() -> None:
    covariance = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    shared = torch.tensor([[5.0], [5.0], [0.1]], dtype=torch.float64)
    assert choose_channels(covariance, shared, 2) == [0, 2]


@pytest.mark.parametrize("recipe", ["rec_svtr", "det_base"])
def test_only_networks_of_that_form_are_made_narrower(recipe: str, tmp_path: Path) -> None:
    loaded = load_recipe(Path(__file__).parents[2] / "train" / "recipes" / f"{recipe}.yaml")
    with pytest.raises(ConfigError, match=r"`model\.network` ppocrv6 or ppocrv6_slim is needed"):
        write_slim(loaded, tmp_path, tmp_path / "slim.safetensors", n_lines=1)


def test_training_starts_from_what_was_written(
    tmp_path: Path, font_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    characters = ("a", "b", "1", " ", "€")
    monkeypatch.setattr("train.slim.published_v6", lambda _: (ppocrv6_recognizer(6).eval(), characters))
    (tmp_path / "charset.txt").write_text("a\n1\n \n", encoding="utf-8")
    path = Path(__file__).parents[2] / "train" / "recipes" / "rec_slim.yaml"
    changes = ["batch_size=1", f"data.fonts={font_folder}"]
    recipe = load_recipe(path, [*changes, f"model.charset={tmp_path / 'charset.txt'}", "data.widths=[160]"])
    write_slim(recipe, tmp_path, tmp_path / "out" / "slim.safetensors", n_lines=1)
    started = load_recipe(path, [f"start.checkpoint={tmp_path / 'out' / 'slim.safetensors'}"])
    network = ppocrv6_recognizer(4, SLIM)
    start_recognizer(network, started.start, ("a", "1", " "))
    assert network.head.classes.out_features == 4


def test_a_checkpoint_of_another_network_is_not_made_narrower(tmp_path: Path) -> None:
    recipe = load_recipe(Path(__file__).parents[2] / "train" / "recipes" / "rec_slim.yaml")
    network, characters = ppocrv1_recognizer(3), ["a", "b"]
    details = {"network": "ppocrv1", "height": 32, "stride": 4, "charset": characters}
    about = {"task": "recognition", "released": "student", "step": 0, "figures": {}, "details": details}
    write_weights(tmp_path / "w.safetensors", torch.nn.ModuleDict({"student": network}), about)
    with pytest.raises(ModelError, match=r"w\.safetensors: not the weights of the network ppocrv6"):
        write_slim(recipe, tmp_path / "w.safetensors", tmp_path / "slim.safetensors", n_lines=1)


def test_the_command_prints_a_plan(
    tmp_path: Path, font_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("train.slim.published_v6", lambda _: (ppocrv6_recognizer(3).eval(), ("a", " ")))
    (tmp_path / "charset.txt").write_text("a\n \n", encoding="utf-8")
    recipe = tmp_path / "r.yaml"
    data = f"{{fonts: '{font_folder}', widths: [96]}}"
    model = f"{{network: ppocrv6, charset: '{tmp_path / 'charset.txt'}'}}"
    recipe.write_text(f"task: recognition\nsteps: 1\nbatch_size: 1\nmodel: {model}\ndata: {data}\n")
    assert main(["slim", str(recipe), "--of", "unused", "--plan", "1", "--lines", "1"]) == 0
    assert capsys.readouterr().out == f"{', '.join(map(str, PUBLISHED))}\n"
