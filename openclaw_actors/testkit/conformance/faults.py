"""How a suite orders faults from the server that an engine speaks with."""

from __future__ import annotations


class NotOfferedError(Exception):
    """This fault can't be ordered here: its check is skipped, with this text as the reason."""


class Faults:
    """What the author's server can be told to do. Override what there is; the checks of the rest are skipped.

    Each order holds for the next piece of work (a transcription, an answer, a phrase) and no longer, but for ``stop``,
    which holds until ``start``, and ``answer``.
    """

    def must_offer(self, *orders: str) -> None:
        """Raise NotOfferedError unless all these are overridden: before an engine is opened for nothing."""
        for order in orders:
            if getattr(type(self), order) is getattr(Faults, order):
                raise _not_offered(order)

    async def hang(self) -> None:
        """Take the work, and never answer."""
        raise _not_offered("hang")

    async def fail(self) -> None:
        """Answer with an error of the server's own, as HTTP's 500."""
        raise _not_offered("fail")

    async def refuse(self) -> None:
        """Answer that it won't, and would not tomorrow: a key that is not accepted, as HTTP's 401."""
        raise _not_offered("refuse")

    async def garbage(self) -> None:
        """Answer as if all were well, with nonsense."""
        raise _not_offered("garbage")

    async def empty(self) -> None:
        """Answer as if all were well, with nothing."""
        raise _not_offered("empty")

    async def drop(self) -> None:
        """Break the connection in the middle of the answer."""
        raise _not_offered("drop")

    async def stop(self) -> None:
        """Be gone: connections break, and are refused."""
        raise _not_offered("stop")

    async def start(self) -> None:
        """Be back, at the same address."""
        raise _not_offered("start")

    async def answer(self, text: str) -> None:  # noqa: ARG002 - for those who override it
        """What recognisers hear and agents say from now on."""
        raise _not_offered("answer")


def _not_offered(order: str) -> NotOfferedError:
    return NotOfferedError(f"this engine's tests have no way to order it (Faults.{order})")
