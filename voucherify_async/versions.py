"""Parts of a file: what to ask for, and whether what comes is the rest of the same file (RFC 9110). Pure."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE)


class FileVersion(msgspec.Struct, frozen=True, gc=False):
    """What an answer says of the file that it is of.

    Attributes:
        validator: changes when the file does; None if the server gives none.
        length_bytes: of the whole file; None if the server does not say.
        packed: it is compressed on its way, so that its parts cannot be told apart.
    """

    validator: str | None
    length_bytes: int | None
    packed: bool

    def continues(self, begun: "FileVersion") -> bool:
        """Whether nothing speaks against it that a part, which was asked for, is of the file that was begun."""
        return not self.packed and not any(
            mine is not None and theirs is not None and mine != theirs
            for mine, theirs in ((self.validator, begun.validator), (self.length_bytes, begun.length_bytes))
        )

    def repeats(self, begun: "FileVersion") -> bool:
        """Whether a whole file is the one that was begun, as far as can be told without reading it."""
        if begun.validator is not None:
            return self.validator == begun.validator
        return self.length_bytes is None or begun.length_bytes is None or self.length_bytes == begun.length_bytes


def version_of(headers: Mapping[str, str], content_length: int | None, *, packed: bool) -> FileVersion:
    """The version of a file, by an answer that brings the whole of it, or a part.

    Args:
        headers: of the answer; their names match in any case.
        content_length: as it is said.
        packed: the answer is compressed.
    """
    if packed:
        return FileVersion(None, None, packed)
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if match is not None:
        content_length = None if match[3] == "*" else int(match[3])
    entity_tag = headers.get("ETag", "").strip()
    # A weak tag does not promise the same bytes, so `If-Range` takes none (RFC 9110, section 13.1.5).
    strong = entity_tag if entity_tag.startswith('"') else ""
    return FileVersion(strong or headers.get("Last-Modified", "").strip() or None, content_length, packed)


def start_of(headers: Mapping[str, str]) -> int | None:
    """Where the part begins that an answer brings; None if it does not say."""
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    return None if match is None else int(match[1])


def part_from(start_bytes: int, version: FileVersion) -> dict[str, str]:
    """Headers that ask for the rest of a file; none if it has to be the whole.

    Without anything by which the rest could be known for that of the same file, it is not asked for.
    """
    if not start_bytes or version.packed or (version.validator is None and version.length_bytes is None):
        return {}
    asked = {"Range": f"bytes={start_bytes}-"}
    if version.validator is not None:
        asked["If-Range"] = version.validator
    return asked
