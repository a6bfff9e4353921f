"""Groups, datasets and their attributes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.importers.bfloat16 import bfloat16
from sparkdl.importers.hdf5 import types
from sparkdl.importers.hdf5.file import Hdf5
from sparkdl.importers.limits import current, within

_SPACE, _LINK_INFO, _TYPE, _LINK, _LAYOUT, _FILTERS, _ATTRIBUTE, _SYMBOLS, _ATTRIBUTE_INFO = 1, 2, 3, 6, 8, 11, 12, 17, 21
_EXTERNAL = 7


class _Object:
    def __init__(self, file: Hdf5, address: int, name: str) -> None:
        self.file, self.address, self.name = file, address, name

    @cached_property
    def messages(self) -> list[tuple[int, int, int]]:
        return self.file.messages(self.address)

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """The attributes: numbers, strings, arrays, lists of strings."""
        found = {}
        for kind, at, size in self.messages:
            if kind == _ATTRIBUTE:
                name, value = _attribute(self.file, at, size)
                found[name] = value
            elif kind == _ATTRIBUTE_INFO:
                flags = self.file.number(at + 1, 1)
                if self.file.offset(at + 2 + (2 if flags & 1 else 0)) is not None:
                    self.file.refuse(f"{self.name}: dense storage of attributes")
        return found


class Group(_Object):
    @cached_property
    def _links(self) -> dict[str, int]:
        links: dict[str, int] = {}
        for kind, at, size in self.messages:
            if kind == _SYMBOLS:
                _symbols(self.file, at, links)
            elif kind == _LINK:
                _link(self.file, at, size, links)
            elif kind == _LINK_INFO:
                flags = self.file.number(at + 1, 1)
                heap = at + 2 + (8 if flags & 1 else 0)
                if self.file.offset(heap) is not None:
                    from sparkdl.importers.hdf5.dense import dense_links

                    dense_links(self.file, self.file.offset(heap), self.file.offset(heap + self.file.offsets), links)
        return links

    def keys(self) -> list[str]:
        return list(self._links)

    def __contains__(self, name: str) -> bool:
        return name in self._links

    def _child(self, name: str) -> tuple[int, str]:
        if name not in self._links:
            known = ", ".join(list(self._links)[:20]) or "nothing"
            raise FormatError(f"{self.file.path}: {self.name} has no {name!r}; it has: {known}.")
        return self._links[name], f"{self.name.rstrip('/')}/{name}"

    def is_dataset(self, name: str) -> bool:
        address, path = self._child(name)
        return any(kind == _LAYOUT for kind, _, _ in self.file.messages(address))

    def group(self, name: str) -> Group:
        return Group(self.file, *self._child(name))

    def dataset(self, name: str) -> Dataset:
        return Dataset(self.file, *self._child(name))

    def find(self, path: str) -> Any:
        """The group or dataset at a path such as ``a/b``, or None."""
        parts = [part for part in path.split("/") if part]
        within("depth of a path", len(parts), current().depth)
        here = self
        for i, part in enumerate(parts):
            if part not in here:
                return None
            if here.is_dataset(part):
                return here.dataset(part) if i == len(parts) - 1 else None
            here = here.group(part)
        return here

    def get(self, name: str) -> Group | None:
        return self.group(name) if name in self and not self.is_dataset(name) else None

    def walk_groups(self) -> Iterator[tuple[str, Group]]:
        """``(path below this group, group)`` of all groups below, each once."""
        seen = {self.address}
        stack = [("", self)]
        while stack:
            path, group = stack.pop()
            children = []
            for key in group.keys():
                self.file.spend()
                address = group._links[key]
                if address not in seen and not group.is_dataset(key):
                    seen.add(address)
                    children.append((f"{path}/{key}" if path else key, group.group(key)))
            yield from children
            stack.extend(reversed(children))


class Dataset(_Object):
    def _message(self, wanted: int, what: str) -> tuple[int, int]:
        for kind, at, size in self.messages:
            if kind == wanted:
                return at, size
        self.file.fail(f"{self.name} has no {what}")

    @cached_property
    def shape(self) -> tuple[int, ...]:
        at, size = self._message(_SPACE, "dataspace")
        return types.dataspace(self.file, at, at + size) or ()

    @cached_property
    def dtype(self) -> Any:
        at, size = self._message(_TYPE, "datatype")
        return types.datatype(self.file, at, at + size)

    def read(self) -> np.ndarray:
        """The whole array (numbers only; two plain bytes are Keras's bfloat16, and become float32)."""
        from sparkdl.importers.hdf5.storage import read

        if self.dtype is types.VariableString or self.dtype.kind == "S":
            raise FormatError(f"{self.file.path}: {self.name} holds strings where numbers are wanted.")
        size = types.count(self.shape) * self.dtype.itemsize
        self.file.budget -= size
        within(f"{self.name}: bytes of this and all arrays before it", max(size, -self.file.budget), max(size, 0))
        if any(kind == _EXTERNAL for kind, _, _ in self.messages):
            self.file.refuse(f"{self.name}, whose values lie in another file,")
        layout, _ = self._message(_LAYOUT, "layout")
        filters = next((at for kind, at, _ in self.messages if kind == _FILTERS), None)
        array = read(self.file, self.name, self.shape, self.dtype, layout, filters)
        if array.dtype.kind == "V":
            return bfloat16(array.view("<u2"))
        return array.astype(array.dtype.newbyteorder("="), copy=False)


# -- attributes --------------------------------------------------------------------------------------------------------
def _attribute(file: Hdf5, at: int, size: int) -> tuple[str, Any]:
    version = file.number(at, 1)
    if version not in (1, 2, 3):
        file.fail(f"unknown version {version} of an attribute")
    if version > 1 and file.number(at + 1, 1):
        file.refuse("an attribute of a named datatype")
    name_size, type_size, space_size = (file.number(at + 2 + 2 * i, 2) for i in range(3))

    def padded(n: int) -> int:
        return (n + 7) // 8 * 8 if version == 1 else n

    end, at = at + size, at + (9 if version == 3 else 8)
    name = file.take(at, name_size).split(b"\0")[0].decode("utf-8", "replace")
    at += padded(name_size)
    kind = types.datatype(file, at, at + type_size)
    at += padded(type_size)
    shape = types.dataspace(file, at, at + space_size)
    at += padded(space_size)
    if at > end:
        file.fail(f"attribute {name!r} is cut off")
    return name, types.decode(file, file.take(at, end - at), kind, shape)


# -- links -------------------------------------------------------------------------------------------------------------
def _symbols(file: Hdf5, at: int, links: dict[str, int]) -> None:
    """Old groups: a B-tree of symbol table nodes, names in a local heap."""
    tree, heap = file.offset(at), file.offset(at + file.offsets)
    if tree is None or heap is None or file.take(heap, 4) != b"HEAP":
        file.fail("a group has no heap of names")
    names, names_size = file.offset(heap + 8 + 2 * file.lengths), file.length(heap + 8)
    if names is None:
        file.fail("a heap has no data")
    table = file.take(names, names_size)
    for node in leaves(file, tree, 0):
        if file.take(node, 4) != b"SNOD":
            file.fail(f"no symbol table node at {node:,}")
        step = 2 * file.offsets + 24
        for i in range(file.number(node + 6, 2)):
            file.spend()
            entry = node + 8 + i * step
            start = file.number(entry, file.offsets)
            if start >= names_size:
                file.fail("a name lies outside its heap")
            address = file.offset(entry + file.offsets)
            if address is not None and file.number(entry + 2 * file.offsets, 4) != 2:  # 2: a symbolic link
                name = table[start : table.find(b"\0", start)].decode("utf-8", "replace")
                links[name] = address


def leaves(file: Hdf5, address: int, kind: int) -> Iterator[int]:
    """The children of the lowest nodes of a version 1 B-tree of groups."""
    stack, seen = [(address, 255)], set()
    while stack:
        node, above = stack.pop()
        file.spend()
        if node in seen or file.take(node, 4) != b"TREE" or file.number(node + 4, 1) != kind:
            file.fail(f"no B-tree node at {node:,}")
        seen.add(node)
        level, used = file.number(node + 5, 1), file.number(node + 6, 2)
        if level >= above:
            file.fail("levels of a B-tree do not fall")
        start = node + 8 + 2 * file.offsets + file.lengths
        children = [file.offset(start + i * (file.offsets + file.lengths)) for i in range(used)]
        if any(child is None for child in children):
            file.fail("a B-tree has an empty child")
        if level == 0:
            yield from children  # type: ignore[misc]
        else:
            stack.extend((child, level) for child in reversed(children))  # type: ignore[misc]


def _link(file: Hdf5, at: int, size: int, links: dict[str, int]) -> None:
    end = at + size
    flags = file.number(at + 1, 1)
    at += 2
    kind = 0
    if flags & 0x08:
        kind, at = file.number(at, 1), at + 1
    at += (8 if flags & 0x04 else 0) + (1 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    length = file.number(at, width)
    name = file.take(at + width, within("length of a name", length, 1 << 16)).decode("utf-8", "replace")
    at += width + length
    if kind == 0:
        address = file.offset(at)
        if address is None or at + file.offsets > end:
            file.fail(f"link {name!r} is cut off")
        links[name] = address
