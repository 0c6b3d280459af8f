"""Parameters of a Paddle network, out of its ONNX file into our module.

The file is matched with the module layer by layer, both in the order in which they run. Every layer must agree in kind,
shape, stride and padding, and nothing may be left over on either side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_ocr.errors import ConfigError, ModelError

_MODULE_OF_OP: dict[str, type[nn.Module]] = {
    "Conv": nn.Conv2d,
    "ConvTranspose": nn.ConvTranspose2d,
    "BatchNormalization": nn.BatchNorm2d,
    "MatMul": nn.Linear,
    "Reshape": nn.LayerNorm,  # spelled out in small operations, of which a reshape meets the weight first
}
_BATCH_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")
_BIAS_OF_WEIGHT = {".w_0": ".b_0", "_weights": "_offset"}
_NOT_LEARNED = ("Constant", "fill_constant")
"""How the names of tensors begin that the converter made itself."""


@dataclass(frozen=True, slots=True)
class FileLayer:
    """One layer of an ONNX file: what torch would call its state, and its options."""

    kind: type[nn.Module]
    name: str
    tensors: Mapping[str, NDArray[np.float32]]
    """By the names that torch gives them."""
    options: Mapping[str, object] = field(default_factory=dict)
    """By the names of the module's attributes."""


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A parsed ONNX file: its layers in the order in which they run, and its metadata."""

    name: str
    layers: Sequence[FileLayer]
    metadata: Mapping[str, str]

    @classmethod
    def parse(cls, name: str, content: bytes) -> "OnnxFile":
        """Read an ONNX file that keeps Paddle's names.

        Raises:
            ModelError: `content` is not ONNX, or holds a parameter that no layer uses.
            ConfigError: onnx is not installed.
        """
        model = read_onnx(name, content)
        unused = _parameters(model.graph)
        layers: list[FileLayer] = []
        for node in model.graph.node:
            weight = next((tensor for tensor in node.input if tensor in unused), None)
            if weight is not None:
                layers.append(_take_layer(name, node, weight, unused))
        if unused:
            raise ModelError(f"{name}: no layer uses {', '.join(unused)}")
        return cls(name, layers, {entry.key: entry.value for entry in model.metadata_props})


def read_onnx(name: str, content: bytes) -> Any:
    """Parse an ONNX file into its `ModelProto`.

    Raises:
        ModelError: `content` is not ONNX.
        ConfigError: onnx is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError("published weights need the package onnx: pip install -e '.[optimize]'") from error
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ModelError(f"{name}: not an ONNX file: get the wheel again") from error
    return model


def load_onnx(model: nn.Module, file: OnnxFile, example: Tensor, *, fresh: str = "") -> None:
    """Put the parameters of an ONNX file into a network, and the network into eval mode.

    Args:
        model: Changed in place.
        file: A file of the same network.
        example: Any valid input; running it tells the order of the layers.
        fresh: Name of a part of `model` that the file does not have; left as it is.

    Raises:
        ModelError: The file and the network differ; `model` is then partly loaded.
    """
    model.eval()
    ran = _layers_as_run(model, example)
    missing = [name for name, _ in _layers(model) if name not in ran and not (fresh and name.startswith(fresh))]
    if missing:
        raise ModelError(f"{file.name}: nothing to put into {', '.join(missing)}")
    for layer, (name, module) in zip(file.layers, ran.items(), strict=False):
        _load_layer(file.name, layer, name, module)
    if len(ran) != len(file.layers):
        raise ModelError(f"{file.name}: {len(file.layers)} layers, our network has {len(ran)}")


def _parameters(graph: Any) -> dict[str, NDArray[np.float32]]:
    """Learned tensors by name; converters keep them as initialisers or as nodes."""
    from onnx import numpy_helper

    tensors = {tensor.name: tensor for tensor in graph.initializer}
    tensors |= {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    return {
        name: numpy_helper.to_array(tensor) for name, tensor in tensors.items() if not name.startswith(_NOT_LEARNED)
    }


def _take_layer(file: str, node: Any, weight: str, unused: dict[str, NDArray[np.float32]]) -> FileLayer:
    """Take the parameters of one layer out of `unused`, which is modified."""
    kind = _MODULE_OF_OP.get(node.op_type)
    if kind is None:
        raise ModelError(f"{file}: cannot read a {node.op_type} with the parameter {weight}")
    if kind is nn.BatchNorm2d:
        names = dict(zip(_BATCH_NORM_TENSORS, node.input[1:5], strict=True))
    else:
        names = {"weight": weight}
        for ending, bias_ending in _BIAS_OF_WEIGHT.items():
            bias = weight.removesuffix(ending) + bias_ending
            if weight.endswith(ending) and bias in unused:
                names["bias"] = bias
    try:
        tensors = {key: unused.pop(name) for key, name in names.items()}
    except KeyError as error:
        raise ModelError(f"{file}: the parameter {error} of a {node.op_type} is missing or used twice") from error
    if kind is nn.Linear:
        tensors["weight"] = tensors["weight"].T  # ONNX has (in, out)
    return FileLayer(kind, weight, tensors, conv_options(node))


def conv_options(node: Any) -> dict[str, object]:
    """The attributes of a convolution that torch keeps as attributes too."""
    if node.op_type not in {"Conv", "ConvTranspose"}:
        return {}
    values = {attribute.name: tuple(attribute.ints) or attribute.i for attribute in node.attribute}
    return {
        "stride": values.get("strides", (1, 1)),
        "padding": values.get("pads", (0, 0, 0, 0))[:2],
        "dilation": values.get("dilations", (1, 1)),
        "groups": values.get("group", 1),
    }


def _layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules that hold parameters themselves."""
    return [(name, module) for name, module in model.named_modules() if list(module.parameters(recurse=False))]


def _layers_as_run(model: nn.Module, example: Tensor) -> dict[str, nn.Module]:
    """Those of `_layers` that `model(example)` calls, in that order."""
    ran: dict[str, nn.Module] = {}
    handles = [
        module.register_forward_pre_hook(lambda module, _, name=name: ran.update({name: module}))
        for name, module in _layers(model)
    ]
    try:
        with torch.no_grad():
            model(example)
    finally:
        for handle in handles:
            handle.remove()
    return ran


def _load_layer(file: str, layer: FileLayer, name: str, module: nn.Module) -> None:
    """Copy one layer's tensors after comparing everything that can be compared."""
    state = {key: tensor for key, tensor in module.state_dict().items() if key != "num_batches_tracked"}
    theirs = {
        "kind": layer.kind.__name__,
        **{key: tensor.shape for key, tensor in layer.tensors.items()},
        **layer.options,
    }
    ours = {
        "kind": type(module).__name__,
        **{key: tuple(tensor.shape) for key, tensor in state.items()},
        **{key: getattr(module, key, None) for key in layer.options},
    }
    if theirs != ours:
        raise ModelError(f"{file}: {layer.name} is {_words(theirs)}, our {name} is {_words(ours)}")
    for key, tensor in state.items():
        tensor.copy_(torch.tensor(layer.tensors[key]))


def _words(values: Mapping[str, object]) -> str:
    return " ".join(f"{key} {value}" if key != "kind" else str(value) for key, value in values.items())
