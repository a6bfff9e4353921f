"""YAML descriptions, which Keras wrote until version 2.5."""

from __future__ import annotations

from typing import Any

from sparkdl.errors import FormatError
from sparkdl.importers.limits import current, within


def parse_yaml(text: str) -> Any:
    """The plain data of a YAML text; tuples become lists. Needs PyYAML, whose safe loader never makes other objects."""
    if "class_name" not in text[: 1 << 20]:
        raise FormatError("the file is neither HDF5, .keras, JSON nor the YAML of a Keras model.")
    within("bytes of the YAML", len(text), current().yaml)
    try:
        import yaml
    except ImportError as error:
        raise FormatError("the file is no JSON; to read YAML: pip install pyyaml.") from error

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", lambda loader, node: loader.construct_sequence(node, deep=True))
    try:
        data = yaml.load(text, Loader)  # a subclass of SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise FormatError(f"the YAML cannot be read ({str(error)[:200]}).") from error
    _count(data)
    return data


def _count(data: Any) -> None:
    """Aliases may make a small text stand for an endless tree."""
    seen, stack = 0, [data]
    while stack:
        item = stack.pop()
        seen += 1
        within("objects of the YAML", seen, current().fields)
        stack.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
