"""Untrusted XML to a small tree: no document type, no entities, bounded in size and depth."""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MAX_XML_BYTES = 4 << 20
_MAX_DEPTH = 32
_MAX_ELEMENTS = 500_000


class XmlError(ValueError):
    """A text that is no XML, or XML that is not read."""


def parse_xml(text: bytes) -> Element:
    """The root element.

    A document type is refused where it begins, before an entity could be declared.

    Raises:
        XmlError: the text is larger than 4 MiB, damaged, nested too deeply, or has a DTD.
    """
    if len(text) > MAX_XML_BYTES:
        raise XmlError(f"larger than {MAX_XML_BYTES >> 20} MiB")
    if not text.strip():
        raise XmlError("the file is empty or cannot be read")
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > _MAX_DEPTH or count > _MAX_ELEMENTS:
            raise XmlError("elements are nested too deeply or are too many")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise XmlError("it has a document type (DTD) or entities, which are refused")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text, True)
        return builder.close()
    except (expat.ExpatError, LookupError, UnicodeError, ValueError) as error:
        if isinstance(error, XmlError):
            raise
        raise XmlError(f"it is no XML: {error}") from error


def child_text(element: Element, name: str) -> str:
    """The text of the first child of that name, stripped; "" where there is none."""
    found = element.find(name)
    return (found.text or "").strip() if found is not None else ""
