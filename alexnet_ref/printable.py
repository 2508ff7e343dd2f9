"""Text out of strangers' files, made fit for a terminal, a log and a page."""

from __future__ import annotations


def printable(text: object, limit: int = 200) -> str:
    r"""Return the text with all that a terminal might obey written as \x1b or \u202e, and cut after `limit` characters.

    What Python calls printable stays: no control character, no line break, no mark that turns the direction of writing round.
    HTML has its own escaping, which this leaves to the template.
    """
    whole = text if isinstance(text, str) else str(text)
    shown = "".join(map(_shown, whole[: limit + 1]))
    return shown if len(shown) <= limit and len(whole) <= limit else shown[: limit - 1] + "…"


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
