"""kill -9 between two steps loses nothing, asks nobody twice, and calls nobody who has heard the answer."""

from __future__ import annotations

from tests.voicemail.kills import SHORT, check, survive


async def test_a_message_outlives_hosts_that_are_killed_on_its_way(message):
    check(SHORT, await survive(SHORT, message))
