"""The one error for bad input: what is wrong, where, what was expected, what was received, what to do next."""

from __future__ import annotations


class InvalidInput(ValueError):  # noqa: N818 - names the fact, like KeyboardInterrupt; an "Error" suffix adds nothing
    """Input that cannot be used. Its text is one line; the command line prints it and exits with code 2."""

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: object = None,
        received: object = None,
        hint: str | None = None,
    ) -> None:
        """Keep the facts apart, so that a caller may read them, and join them to one line for a person."""
        self.what, self.where, self.expected, self.received, self.hint = what, where, expected, received, hint
        line = f"{where}: {what}" if where else what
        if expected is not None:
            line += f"; expected {expected}"
        if received is not None:
            line += f"; received {received}"
        if hint:
            line += f". {hint}"
        super().__init__(" ".join(line.split()))

    def at(self, where: str) -> InvalidInput:
        """Return the same fact with the outer place in front, for the frame that knows it."""
        place = f"{where}: {self.where}" if self.where else where
        return InvalidInput(self.what, where=place, expected=self.expected, received=self.received, hint=self.hint)
