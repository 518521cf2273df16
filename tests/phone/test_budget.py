"""What calls by phone may cost: minutes of a call, minutes of a day, and both after a restart."""

from __future__ import annotations

import asyncio
import time

import pytest

from openclaw_actors.client import ApiError
from openclaw_actors.settings.sections import Numbers, StoreSettings
from openclaw_actors.testkit.providers.twilio.account import FakeTwilio
from openclaw_actors.testkit.waiting import CallEndedError
from tests.phone.conftest import PERSON, phone_host

ONE_MINUTE = Numbers(allow_from=(PERSON,), minutes_per_day=1)


async def test_calls_are_ended_when_the_day_is_used_up_and_no_new_ones_are_taken():
    async with phone_host(numbers=ONE_MINUTE) as phone:
        numbers = phone.running.host.phone.numbers
        numbers.remember(time.monotonic(), 59.0)
        call = await phone.client.place(PERSON)
        assert await phone.outcome(call["id"]) == ("completed", "daily_minutes")
        with pytest.raises(ApiError, match="daily_minutes") as refused:
            await phone.client.place(PERSON)
        assert refused.value.status == 429
        with pytest.raises(CallEndedError, match="busy"):
            async with phone.calls_in():
                pass


async def test_minutes_and_calls_of_before_a_restart_count(tmp_path):
    store = StoreSettings(url=f"sqlite:///{tmp_path}/calls.db")
    numbers = Numbers(allow_from=(PERSON,), outbound_per_hour=1)
    async with phone_host(numbers=numbers, store=store) as phone:
        call = await phone.client.place(PERSON)
        line = await (await phone.twilio.placed()).answered()
        await phone.until_told("call.answered")
        await asyncio.sleep(1.0)  # a second of the day
        await line.hang_up()
        await phone.outcome(call["id"])
    async with phone_host(FakeTwilio(), numbers=numbers, store=store) as phone:
        numbers = phone.running.host.phone.numbers
        assert 0.9 < 240 * 60 - numbers.seconds_left(time.monotonic()) < 10
        with pytest.raises(ApiError, match="hourly_cap"):
            await phone.client.place(PERSON)
