from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.engines.tts.cache import PhraseCache, phrase_key
from openclaw_actors.engines.tts.cache_files import PhraseFiles, _format, _parse
from openclaw_actors.media.codecs import OPUS, PCMU, Encoded
from openclaw_actors.media.packets import PacketRun
from openclaw_actors.observability.metrics import REGISTRY
from openclaw_actors.settings.sections import TtsCache

PHRASE = Encoded((b"abc", b"de"), bytes(range(200)))


@pytest.fixture
def disk_pool():
    with ThreadPoolExecutor(2, thread_name_prefix="disk") as pool:
        yield pool


def big(number: int, size: int = 1_000) -> Encoded:
    return Encoded((b"p",), bytes([number]) * size)


def requests(result: str) -> float:
    return REGISTRY.get_sample_value("openclaw_actors_tts_cache_requests_total", {"result": result}) or 0.0


async def test_a_phrase_is_found_again_in_memory():
    cache = PhraseCache(TtsCache())
    cache.put("k", PHRASE)
    before = requests("memory"), requests("miss")

    assert await cache.get("k") == PHRASE
    assert await cache.get("other") is None
    assert (requests("memory"), requests("miss")) == (before[0] + 1, before[1] + 1)


async def test_memory_holds_no_more_bytes_than_it_may_and_forgets_the_least_recently_used():
    cache = PhraseCache(TtsCache(max_bytes=3_500))
    for number in range(3):
        cache.put(str(number), big(number))
    await cache.get("0")
    cache.put("3", big(3))

    assert [await cache.get(str(number)) is not None for number in range(4)] == [True, False, True, True]


async def test_putting_a_phrase_again_does_not_count_it_twice():
    cache = PhraseCache(TtsCache(max_bytes=2_500))
    for _ in range(10):
        cache.put("same", big(1))
    cache.put("other", big(2))

    assert await cache.get("same") == big(1)


async def test_no_bytes_means_no_cache(tmp_path: Path, disk_pool):
    cache = PhraseCache(TtsCache(max_bytes=0, dir=str(tmp_path)), disk_pool)
    cache.put("k", PHRASE, shareable=True)
    await cache.aclose()

    assert await cache.get("k", shareable=True) is None
    assert not os.listdir(tmp_path)  # noqa: PTH208 - a pathlib call in a coroutine is refused


async def test_a_greeting_is_found_by_the_next_process(tmp_path: Path, disk_pool):
    first = PhraseCache(TtsCache(dir=str(tmp_path / "voices")), disk_pool)
    first.put("k", PHRASE, shareable=True)
    await first.aclose()
    before = requests("disk")
    second = PhraseCache(TtsCache(dir=str(tmp_path / "voices")), disk_pool)

    assert await second.get("k", shareable=True) == PHRASE
    assert requests("disk") == before + 1
    assert await second.get("k") == PHRASE  # in memory by now


@pytest.mark.parametrize("keep_replies", [False, True])
async def test_what_is_said_to_one_caller_is_on_disk_only_if_the_settings_say_so(
    tmp_path, disk_pool, keep_replies: bool
):
    settings = TtsCache(dir=str(tmp_path / "voices"), keep_replies=keep_replies)
    first = PhraseCache(settings, disk_pool)
    first.put("k", PHRASE)
    await first.aclose()

    assert (await PhraseCache(settings, disk_pool).get("k") == PHRASE) is keep_replies
    assert (tmp_path / "voices").exists() is keep_replies


def test_a_directory_without_threads_to_read_it_is_a_mistake(tmp_path: Path):
    with pytest.raises(ValueError, match="disk_pool"):
        PhraseCache(TtsCache(dir=str(tmp_path)))


async def test_what_a_caller_was_told_is_never_written_down(tmp_path: Path, disk_pool):
    cache = PhraseCache(TtsCache(dir=str(tmp_path)), disk_pool)
    cache.put("k", PHRASE)
    await cache.aclose()

    assert not os.listdir(tmp_path)  # noqa: PTH208 - a pathlib call in a coroutine is refused


async def test_a_disk_that_fails_costs_the_cache_and_not_the_call(tmp_path: Path, disk_pool):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    cache = PhraseCache(TtsCache(dir=str(blocked / "voices")), disk_pool)
    cache.put("k", PHRASE, shareable=True)
    await cache.aclose()

    assert await cache.get("k") == PHRASE
    assert await cache.get("other", shareable=True) is None


def test_the_disk_holds_no_more_bytes_than_it_may_and_drops_the_oldest(tmp_path: Path):
    files = PhraseFiles(tmp_path, 3_500)
    for number in range(3):
        files.write(str(number), big(number))
        os.utime(tmp_path / f"{number}.phrase", ns=(number, number))
    again = PhraseFiles(tmp_path, 3_500)
    again.read("0")
    again.write("3", big(3))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.phrase", "2.phrase", "3.phrase"]


def test_a_phrase_larger_than_the_disk_may_hold_drops_no_other(tmp_path: Path):
    files = PhraseFiles(tmp_path, 3_500)
    files.write("small", big(1))
    files.write("large", big(2, 10_000))

    assert files.read("small") == big(1)
    assert files.read("large") is None


def test_what_a_killed_process_left_half_written_is_swept_away(tmp_path: Path):
    (tmp_path / "abc.part").write_bytes(b"half")
    PhraseFiles(tmp_path, 3_500).write("k", PHRASE)

    assert [path.name for path in tmp_path.iterdir()] == ["k.phrase"]


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-1], lambda c: b"", lambda c: b"x" * 40, lambda c: c[:20] + b"!" + c[21:]]
)
def test_a_damaged_file_is_a_miss_and_is_removed(tmp_path: Path, damage):
    files = PhraseFiles(tmp_path, 10_000)
    files.write("k", PHRASE)
    path = tmp_path / "k.phrase"
    path.write_bytes(damage(path.read_bytes()))

    assert files.read("k") is None
    assert not path.exists()


def test_only_its_owner_may_read_the_files(tmp_path: Path):
    PhraseFiles(tmp_path / "voices", 10_000).write("k", PHRASE)

    assert (tmp_path / "voices").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "voices" / "k.phrase").stat().st_mode & 0o777 == 0o600


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=10).map(tuple), st.binary(max_size=500))
def test_a_file_gives_back_what_was_written(packets: tuple[bytes, ...], pcm: bytes):
    assert _parse(_format(Encoded(packets, pcm))) == Encoded(packets, pcm)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_on_disk_can_break_the_reader(content: bytes):
    assert _parse(content) is None


def test_a_phrase_is_known_by_all_that_shapes_its_sound():
    key = phrase_key("espeak-ng/1", OPUS, "Hello there.")

    assert phrase_key("espeak-ng/1", OPUS, "  Hello   there.\n") == key
    others = {
        phrase_key("espeak-ng/2", OPUS, "Hello there."),
        phrase_key("espeak-ng/1", PCMU, "Hello there."),
        phrase_key("espeak-ng/1", OPUS, "Hello there?"),
    }
    assert len(others | {key}) == 4


def due(count: int = 100, size: int = 4) -> Encoded:
    """A phrase whose packets are not encoded yet."""
    pcm = b"pcm!" * count
    return Encoded(PacketRun(lambda pcm: pcm * 50, size, b"").push(pcm), pcm)


async def test_a_phrase_is_encoded_before_it_is_written(tmp_path: Path, disk_pool):
    cache = PhraseCache(TtsCache(dir=str(tmp_path)), disk_pool)
    cache.put("k", due(), shareable=True)
    await cache.aclose()
    found = await PhraseCache(TtsCache(dir=str(tmp_path)), disk_pool).get("k", shareable=True)
    assert found == Encoded((b"pcm!" * 50,) * 100, b"pcm!" * 100)


async def test_a_phrase_counts_for_as_much_before_it_is_encoded_as_after():
    cache = PhraseCache(TtsCache(max_bytes=60_000))
    phrase = due()
    cache.put("k", phrase)
    assert 53_000 < cache._bytes < 55_000, "its packets, its PCM twice, and an encoder"
    assert len(tuple(phrase.packets)) == 100
    cache.put("k", big(1))
    assert cache._bytes < 1_100
