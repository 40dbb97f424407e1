"""Outlook messages (.msg): headers and text as markitdown reads them, and what it leaves out, laid out as e-mail.

What markitdown leaves out is read by olefile, on which it stands: the address behind an entry of Exchange's directory,
when the message was sent, and the names of its attachments. Tags are those of [MS-OXPROPS].
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ragc.data._encoding import UnknownEncodingError, decode
from ragc.data.documents._conversion import Conversion, Converted, Unreadable, clean, real_title
from ragc.data.documents._tables import with_headers

if TYPE_CHECKING:
    import olefile

_FIELD = re.compile(r"^\*\*(From|To|Subject):\*\* (.*)$", re.MULTILINE)
_CONTENT = "\n## Content"
_NAME, _ADDRESS, _ATTACHED, _ATTACHED_SHORT = "0C1A", "5D01", "3707", "3704"
_SENT = 0x00390040
"""PidTagClientSubmitTime, a FILETIME: tenths of microseconds since 1601."""
_HEADER, _PROPERTY = 32, 16
"""Bytes of the list of fixed properties: its head, and one of them."""


def convert_msg(data: bytes) -> Conversion:
    """Return an Outlook message as one document, as `convert_eml` does. Raises Unreadable."""
    import olefile
    from markitdown import StreamInfo
    from markitdown.converters import OutlookMsgConverter

    if not olefile.isOleFile(io.BytesIO(data)):
        raise Unreadable("not an Outlook message")
    markdown = OutlookMsgConverter().convert(io.BytesIO(data), StreamInfo(extension=".msg")).markdown
    head, _, body = f"{markdown}\n".partition(_CONTENT)
    fields = {name: " ".join(value.split()) for name, value in _FIELD.findall(head)}
    with olefile.OleFileIO(io.BytesIO(data)) as message:
        address, name, sent = _string(message, [], _ADDRESS), _string(message, [], _NAME), _sent(message)
        attached = _attachments(message)
    if fields.get("From", "/").startswith("/"):  # an entry in Exchange's directory, which says nothing to a reader
        fields["From"] = address
    if name and name != fields["From"]:
        fields["From"] = f"{name} <{fields['From']}>" if fields["From"] else name
    subject, body = fields.pop("Subject", None), with_headers(clean(body)).strip()
    if not (body or subject or attached):
        raise Unreadable("no text in it")
    headers = {key: value for key, value in fields.items() if value} | ({"Date": sent} if sent else {})
    lines = "\n".join(f"{key}: {value}" for key, value in headers.items())
    names = f"Attachments: {', '.join(attached)}" if attached else ""
    text = "\n\n".join(filter(None, [lines, body or subject, names]))
    notes = (("left out", names.lower()),) if attached else ()
    metadata = {"format": "msg", **{key.lower(): value for key, value in headers.items()}}
    return Conversion((Converted(clean(text), real_title(subject), metadata),), notes)


def _attachments(message: olefile.OleFileIO) -> list[str]:
    folders = sorted({path[0] for path in message.listdir() if path[0].startswith("__attach_version1.0_#")})
    names = (_string(message, [one], _ATTACHED) or _string(message, [one], _ATTACHED_SHORT) for one in folders)
    return [name for name in names if name]


def _string(message: olefile.OleFileIO, folder: list[str], tag: str) -> str:
    for kind in ("001F", "001E"):
        path = [*folder, f"__substg1.0_{tag}{kind}"]
        if message.exists(path):
            data = message.openstream(path).read()
            with contextlib.suppress(UnknownEncodingError):
                text = data.decode("utf-16-le", "replace") if kind == "001F" else decode(data).text
                return " ".join(text.replace("\0", "").split())
    return ""


def _sent(message: olefile.OleFileIO) -> str | None:
    if not message.exists("__properties_version1.0"):
        return None
    data = message.openstream("__properties_version1.0").read()
    for at in range(_HEADER, len(data) - _PROPERTY + 1, _PROPERTY):
        tag, _, ticks = struct.unpack_from("<IIQ", data, at)
        if tag == _SENT:
            with contextlib.suppress(OverflowError):
                return (datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)).isoformat()
    return None
