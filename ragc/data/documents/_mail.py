"""E-mail and HTML."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from typing import Any

from ragc.data._encoding import Decoded, UnknownEncodingError, decode
from ragc.data._markdown import heading
from ragc.data.documents._conversion import Conversion, Converted, Unreadable, clean, real_title
from ragc.data.documents._formats import missing_extra
from ragc.data.documents._tables import with_headers

_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_HEADERS = ("From", "To", "Cc", "Date")


def convert_html(data: bytes) -> Conversion:
    """Return a page as one document, scripts and styles left out. Raises Unreadable."""
    declared = _CHARSET.search(data[:4096])
    try:
        decoded = decode(data, declared[1].decode("ascii") if declared else None)
    except UnknownEncodingError as error:
        raise Unreadable(str(error)) from error
    title, text = _markdown(decoded.text)
    if not text.strip():
        raise Unreadable("no text in it: a page whose text is loaded by a script?")
    name = real_title(title) or heading(text)
    return Conversion((Converted(text, name, {"format": "html"}),), _encoding_note(decoded, declared is not None))


def convert_eml(data: bytes) -> Conversion:
    """Return a message as one document: who wrote to whom and when, its text, the names of its attachments.

    Sender, recipients and date are metadata as well. Raises Unreadable for what is no e-mail or holds no text.
    """
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not any(name in message for name in ("From", "Date", "Subject")):
        raise Unreadable("not an e-mail: no From, Date or Subject at its top")
    headers = {name: _header(message, name) for name in _HEADERS}
    body = clean(_body(message)).strip()
    names = [name for part in message.iter_attachments() if (name := _file_name(part))]
    if not body and not names:
        raise Unreadable("no text in it")
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    text = "\n\n".join(filter(None, ["\n".join(lines), body, f"Attachments: {', '.join(names)}" if names else ""]))
    metadata = {"format": "eml", **{name.lower(): value for name, value in headers.items() if value and name != "Cc"}}
    if sent := _sent(message):
        metadata["date"] = sent
    notes = (("left out", f"attachments: {', '.join(names)}"),) if names else ()
    return Conversion((Converted(clean(text), real_title(_header(message, "Subject")), metadata),), notes)


def _markdown(html: str) -> tuple[str | None, str]:
    from markitdown.converters import HtmlConverter

    result = HtmlConverter().convert_string(html)
    return result.title, with_headers(clean(result.markdown))


def _encoding_note(decoded: Decoded, is_declared: bool) -> tuple[tuple[str, str], ...]:
    if decoded.encoding is None or is_declared:
        return ()
    return (("encoding", f"read as {decoded.encoding}"),)


def _body(message: EmailMessage) -> str:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    text = _text(part)
    if part.get_content_type() != "text/html":
        return text
    lacking = missing_extra(".html")
    if lacking is not None:
        raise Unreadable(f"a message in HTML alone: {lacking}")
    return _markdown(text)[1]


def _text(part: Any) -> str:
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # a charset that nobody knows, or not the one it says
        data = part.get_payload(decode=True) or b""
        try:
            return decode(data).text
        except UnknownEncodingError as error:
            raise Unreadable(str(error)) from error


def _header(message: Any, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except (ValueError, IndexError, AttributeError):  # a header that breaks the library's parser
        return ""


def _sent(message: EmailMessage) -> str | None:
    try:
        moment = message["Date"].datetime
    except (ValueError, AttributeError, TypeError, IndexError):
        return None
    return moment.isoformat() if moment is not None else None


def _file_name(part: Any) -> str:
    try:
        return " ".join(str(part.get_filename() or "").split())
    except (ValueError, LookupError):
        return ""
