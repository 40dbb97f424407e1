"""HTML that cannot be escaped wrongly: every text is escaped unless it is an element."""

from __future__ import annotations

import html

_VOID = frozenset({"input", "meta"})
"""Elements that have no end."""


class Markup(str):
    """A string that is HTML already."""

    __slots__ = ()


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """Return an element; children that are no `Markup` are escaped, None is left out.

    A trailing underscore of an attribute's name is dropped (`class_`), the others become hyphens (`aria_label`). An
    attribute that is None is left out.
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{given}>" if tag in _VOID else f"<{tag}{given}>{join(*children)}</{tag}>")


def join(*children: object) -> Markup:
    """Return the children one after the other, escaped where they are no `Markup`; lists are flattened."""
    parts = []
    for child in children:
        if isinstance(child, (list, tuple)):
            parts.append(join(*child))
        elif isinstance(child, Markup):
            parts.append(child)
        elif child is not None:
            parts.append(Markup(html.escape(str(child))))
    return Markup("".join(parts))


def fact(name: str, text: object, note: str | None = None) -> Markup:
    """Return one line of a `dl`: a name, a text, and a note on it."""
    return element("div", element("dt", name), element("dd", text, element("b", note) if note else None))
