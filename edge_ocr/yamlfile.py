"""YAML files checked against pydantic models, with errors that name the line.

One rule for every file a user writes: `yaml.safe_load`'s types only, no duplicate keys, no unknown keys, and the first
problem as one line: `kiosk.yaml:12: cameras.cam0.polcy: unknown key; did you mean 'policy'?`
"""

import datetime
import difflib
import os
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from edge_ocr.errors import ConfigError

MAX_NODES = 100_000
"""More values than this, aliases expanded, are taken for an accident."""
PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
SHOWN_ERRORS = frozenset({
    "literal_error",
    "enum",
    "string_pattern_mismatch",
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
})
"""Kinds of problem whose value is quoted. Not all: a value can be a secret that was put in the wrong place."""

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]


def load_yaml_model(path: str | Path, model: type[Model], *, substitute_env: bool = False) -> Model:
    """Load a YAML file as `model`; the folder of the file is the validation context's `folder`.

    A model may carry a `later_keys: ClassVar[frozenset[str]]` of keys that are refused as not in this version yet.

    Args:
        path: The file, named in messages as it is given.
        model: What it has to hold; an empty file is an empty mapping.
        substitute_env: Replace `${NAME}` in string values by the environment's value.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or does not fit the model.
    """
    name = str(path)
    root = _compose(name, _read(Path(path), name))
    document = _Document(name, os.environ if substitute_env else None)
    data = {} if root is None else document.construct(root, ())
    if not isinstance(data, dict):
        raise ConfigError(f"{name}:1: not a mapping; write `key: value` lines")
    try:
        return model.model_validate(data, context={"folder": Path(path).parent})
    except ValidationError as error:
        # Keyed by place: the members of a union each report their own problem with one value.
        found = {document.place_of(one): one for one in reversed(error.errors())}
        problems = sorted((document.line_of(at), describe_error(one, model, at)) for at, one in found.items())
        line, text = problems[0]
        # Not chained: pydantic's own text quotes the input, secrets included.
        raise ConfigError(f"{name}:{line}: {text}{and_more(problems)}") from None


def describe_error(error: ErrorDetails, model: type[BaseModel], at: Location) -> str:
    """One problem that pydantic found as `cameras.cam0.polcy: unknown key; did you mean 'policy'?`.

    Args:
        error: What pydantic says.
        model: The model of the whole file.
        at: The place in the user's data; pydantic's own `loc` also names members of unions.
    """
    kind = error["type"]
    if kind == "extra_forbidden":
        return f"{_dotted(at)}: {_unknown_key(str(at[-1]), _model_at(model, at[:-1]))}"
    if kind == "missing":
        return f"{_dotted(at)}: this key is required"
    text = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = re.sub(r"^(Input|String|Value|Tuple|List|Dictionary) should", "should", text)
    if kind in {"too_short", "string_too_short"}:
        n_least = error["ctx"].get("min_length", 1)
        text = "must not be empty" if n_least == 1 else f"needs at least {n_least} entries"
    if kind == "string_type" and isinstance(error["input"], bool | int | float | datetime.date):
        text = "should be text; put it in quotes"
    if error["loc"] and error["loc"][-1] == "[key]":
        text = f"the name {text}"
    if kind in SHOWN_ERRORS:
        text = f"{text}, not {error['input']!r}"
    return f"{_dotted(at)}: {text}" if at else text


def and_more(problems: typing.Sized) -> str:
    """How a message on the first of several problems ends."""
    n_more = len(problems) - 1
    return f" (and {n_more} more problem{'s' if n_more > 1 else ''})" if n_more > 0 else ""


@dataclass(slots=True)
class _Document:
    """Plain data from YAML nodes, remembering on which line every value stands."""

    name: str
    env: Mapping[str, str] | None
    lines: dict[Location, int] = field(default_factory=dict)
    n_nodes: int = 0

    def construct(self, node: yaml.Node, at: Location, above: tuple[yaml.Node, ...] = ()) -> Any:
        """The node's value as `yaml.safe_load` gives it."""
        self.lines.setdefault(at, _line(node))
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES or node in above:
            raise self.error(node, at, "the file refers to itself or is far too large")
        above = (*above, node)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in PLAIN_TAGS:
            raise self.error(node, at, f"the tag {node.tag} is not allowed here")
        if isinstance(node, yaml.MappingNode):
            return {key: self.construct(value, (*at, key), above) for key, value in self.items(node, at, above)}
        if isinstance(node, yaml.SequenceNode):
            return [self.construct(value, (*at, index), above) for index, value in enumerate(node.value)]
        value = self.scalar(node, at)
        return self.substituted(value, node, at) if isinstance(value, str) and self.env is not None else value

    def items(
        self, node: yaml.MappingNode, at: Location, above: tuple[yaml.Node, ...]
    ) -> Iterator[tuple[Any, yaml.Node]]:
        """The keys and value nodes of a mapping, those of merged (`<<`) mappings last."""
        own: dict[Any, yaml.Node] = {}
        merged: list[yaml.MappingNode] = []
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged += self.merged_mappings(value_node, at, above)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.error(key_node, at, "a key must be a plain word")
            key = self.scalar(key_node, at)
            if key in own:
                first = self.lines[(*at, key)]
                raise self.error(key_node, (*at, key), f"duplicate key; it stands on line {first} already")
            own[key] = value_node
            self.lines[(*at, key)] = _line(key_node)
        yield from own.items()
        for other in merged:
            for key, value_node in self.items(other, at, (*above, other)):
                if key not in own:
                    own[key] = value_node
                    yield key, value_node

    def merged_mappings(self, node: yaml.Node, at: Location, above: tuple[yaml.Node, ...]) -> list[yaml.MappingNode]:
        """The mappings that a `<<` key brings in."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for one in nodes:
            if not isinstance(one, yaml.MappingNode) or one in above:
                raise self.error(node, at, "`<<` needs an alias of another mapping")
        return list(nodes)

    def scalar(self, node: yaml.Node, at: Location) -> Any:
        """A number, string, boolean, date or null."""
        try:
            return _CONSTRUCTOR.construct_object(node, deep=True)
        except yaml.constructor.ConstructorError:
            raise self.error(node, at, f"the tag {node.tag} is not allowed here") from None
        except ValueError as error:
            raise self.error(node, at, str(error)) from None

    def substituted(self, text: str, node: yaml.Node, at: Location) -> str:
        """The text with `${NAME}` replaced."""
        env = self.env or {}

        def value_of(match: re.Match[str]) -> str:
            variable = match[1]
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
                raise self.error(node, at, "${...} must hold the name of an environment variable")
            if variable not in env:
                raise self.error(node, at, f"the environment variable {variable} is not set")
            return env[variable]

        return re.sub(r"\$\{([^}]*)\}", value_of, text)

    def error(self, node: yaml.Node, at: Location, text: str) -> ConfigError:
        """A problem at a node."""
        return ConfigError(f"{self.name}:{_line(node)}: {_dotted(at)}{': ' if at else ''}{text}")

    def place_of(self, error: ErrorDetails) -> Location:
        """The place in the data that pydantic complains of, or where a missing key would stand."""
        at: Location = ()
        for part in error["loc"]:
            if (*at, part) in self.lines:
                at = (*at, part)
        return (*at, error["loc"][-1]) if error["type"] == "missing" else at

    def line_of(self, at: Location) -> int:
        """The line of a place, or of what it would be in."""
        return self.lines.get(at) or self.lines.get(at[:-1], 1)


_CONSTRUCTOR = yaml.SafeLoader("")


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not a text file in UTF-8") from error


def _compose(name: str, text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{name}{line}: not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        reason = getattr(error, "reason", None) or "it cannot be parsed"
        raise ConfigError(f"{name}: not valid YAML: {reason}") from None
    except RecursionError:
        raise ConfigError(f"{name}: not valid YAML: nested too deeply") from None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _dotted(at: Location) -> str:
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _unknown_key(key: str, model: type[BaseModel] | None) -> str:
    if model is None:
        return "unknown key"
    if key in getattr(model, "later_keys", ()):
        return "is not in this version yet; leave the key out"
    known = [info.alias or name for name, info in model.model_fields.items()]
    close = difflib.get_close_matches(key.lower(), known, n=1)
    return f"unknown key; did you mean '{close[0]}'?" if close else f"unknown key; known are {', '.join(known)}"


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """The model that describes the mapping at a place, None where there is none or more than one."""
    kind: Any = model
    for part in location:
        kind = _inside(kind, part)
    return kind if _is_model(kind) else None


def _inside(kind: Any, part: int | str) -> Any:
    """The type of the values under one key or index of a type."""
    if _is_model(kind):
        fields = kind.model_fields
        named = [info for name, info in fields.items() if part in {name, info.alias}]
        return _without_none(named[0].annotation) if named else None
    arguments = typing.get_args(kind)
    return _without_none(arguments[-1 if typing.get_origin(kind) is dict else 0]) if arguments else None


def _without_none(kind: Any) -> Any:
    """`X` of `X | None` and of `Annotated[X, ...]`."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _without_none(typing.get_args(kind)[0])
    if origin in {typing.Union, types.UnionType}:
        others = [one for one in typing.get_args(kind) if one is not type(None)]
        return _without_none(others[0]) if len(others) == 1 else None
    return kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
