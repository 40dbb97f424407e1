"""A writer of Outlook messages (.msg), as small as the format lets it be: [MS-CFB] version 3 and [MS-OXMSG].

A compound file is a file system in a file: sectors of 512 bytes, chained by a table (FAT), folders whose entries are
binary trees, and a second, finer table for streams below 4,096 bytes, which stand in one stream together.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_STREAM, _STORAGE, _ROOT = 2, 1, 5

Folder = Mapping[str, "bytes | Folder"]


@dataclass
class _Node:
    name: str
    kind: int
    data: bytes = b""
    first: int = _END
    child: int = _NONE
    right: int = _NONE
    children: list[_Node] = field(default_factory=list)


def write_msg(
    *,
    subject: str,
    sender: str,
    to: str,
    body: str,
    sent: datetime | None = None,
    attachments: Sequence[str] = (),
    smtp: str = "",
    name: str = "",
    codepage: int | None = None,
) -> bytes:
    """Return a message; with a `codepage` its strings are 8-bit ones, as old Outlooks write them."""
    kind, encode = ("001F", "utf-16-le") if codepage is None else ("001E", f"cp{codepage}")
    strings = {"0037": subject, "0C1F": sender, "0E04": to, "1000": body, "5D01": smtp, "0C1A": name}
    found: dict[str, bytes | Folder] = {
        f"__substg1.0_{tag}{kind}": text.encode(encode) for tag, text in strings.items() if text
    }
    properties = b"" if codepage is None else struct.pack("<IIII", 0x3FFD0003, 6, codepage, 0)
    if sent is not None:
        ticks = (sent.astimezone(UTC) - datetime(1601, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10
        properties += struct.pack("<IIQ", 0x00390040, 6, ticks)
    found["__properties_version1.0"] = bytes(32) + properties
    for number, name in enumerate(attachments):
        found[f"__attach_version1.0_#{number:08X}"] = {
            "__properties_version1.0": bytes(8),
            f"__substg1.0_3707{kind}": name.encode(encode),
            "__substg1.0_37010102": b"what is attached",
        }
    return compound_file(found)


def compound_file(folder: Folder) -> bytes:
    """Return a compound file with these streams and folders."""
    nodes = [_Node("Root Entry", _ROOT, children=_children(folder))]
    for node in nodes:  # which grows while it is read
        ordered = sorted(node.children, key=lambda one: (len(one.name), one.name.upper()))
        for place, child in enumerate(ordered):  # a tree that leans to the right is one
            child.right = len(nodes) + place + 1 if place + 1 < len(ordered) else _NONE
        node.child = len(nodes) if ordered else _NONE
        nodes += ordered
    mini, minifat = b"", list[int]()
    sectors, fat = list[bytes](), list[int]()

    def store(data: bytes) -> int:
        first = len(sectors)
        parts = [data[at : at + _SECTOR].ljust(_SECTOR, b"\0") for at in range(0, len(data), _SECTOR)]
        sectors.extend(parts)
        fat.extend([*range(first + 1, first + len(parts)), _END] if parts else [])
        return first if parts else _END

    for node in nodes[1:]:
        if node.kind == _STREAM and 0 < len(node.data) < _CUTOFF:
            count = -(-len(node.data) // _MINI)
            node.first = len(minifat)
            minifat += [*range(node.first + 1, node.first + count), _END]
            mini += node.data.ljust(count * _MINI, b"\0")
        elif node.kind == _STREAM and node.data:
            node.first = store(node.data)
    nodes[0].data, nodes[0].first = mini, store(mini)
    minifat_first = store(struct.pack(f"<{len(minifat)}I", *minifat).ljust(-(-len(minifat) // 128) * _SECTOR, b"\xff"))
    entries = b"".join(_entry(node) for node in nodes)
    folder_first = store(entries.ljust(-(-len(entries) // _SECTOR) * _SECTOR, b"\0"))
    fat_sectors = 1
    while fat_sectors * 128 < len(fat) + fat_sectors:
        fat_sectors += 1
    where = list(range(len(sectors), len(sectors) + fat_sectors))
    fat += [_FAT] * fat_sectors
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(fat_sectors * _SECTOR, b"\xff")
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE, 9, 6,
        0, fat_sectors, folder_first, 0, _CUTOFF, minifat_first, -(-len(minifat) // 128), _END, 0, where[0],
    )  # fmt: skip
    header += struct.pack(f"<{len(where) - 1}I", *where[1:])
    return header.ljust(_SECTOR, b"\xff") + b"".join(sectors) + table


def _children(folder: Folder) -> list[_Node]:
    return [
        _Node(name, _STREAM, value) if isinstance(value, bytes) else _Node(name, _STORAGE, children=_children(value))
        for name, value in folder.items()
    ]


def _entry(node: _Node) -> bytes:
    name = node.name.encode("utf-16-le")
    return struct.pack(
        "<64sHBBIII16sIQQIQ",
        name, len(name) + 2, node.kind, 1, _NONE, node.right, node.child, bytes(16), 0, 0, 0,
        node.first if node.kind != _STORAGE else 0, len(node.data),
    )  # fmt: skip
