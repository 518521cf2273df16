"""What the caller heard of a phrase that was cut is known to the word, where the voice tells when each word ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import edge_tts.communicate
import pytest
from tts_samples import silence, tone, within

from openclaw_actors.engines.protocols import Voice
from openclaw_actors.engines.tts.cache import PhraseCache
from openclaw_actors.engines.tts.edge_tts import EdgeTtsEngine
from openclaw_actors.engines.tts.edge_voices import BY_LANGUAGE, choose_voice, faster, higher
from openclaw_actors.engines.tts.espeak_ng import EspeakNgEngine
from openclaw_actors.engines.tts.synthesis import Synthesis
from openclaw_actors.engines.tts.word_places import WordPlaces
from openclaw_actors.media.codecs import OPUS, Encoded
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import Speech, Spoken, WordTime
from openclaw_actors.settings.sections import EdgeTts, EspeakNg, TtsCache
from openclaw_actors.testkit.providers.edge import EdgeFault, FakeEdge

LETTER_S = 0.05


@pytest.fixture
async def edge(monkeypatch):
    monkeypatch.setattr(edge_tts.communicate, "WSS_URL", edge_tts.communicate.WSS_URL)
    async with FakeEdge(lambda text: tone(LETTER_S * len(text))) as server:
        yield server


@pytest.fixture
async def synthesis(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        synthesis = Synthesis(PhraseCache(TtsCache(dir=str(tmp_path)), pool))
        yield synthesis
        await synthesis.aclose()


async def collect(sound) -> Encoded:
    return Encoded.joined([piece async for piece in sound])


async def words_of(engine, text: str, voice: Voice | None = None) -> list[WordTime]:
    return [piece async for piece in engine.speak(text, voice or Voice()) if isinstance(piece, WordTime)]


async def test_edge_tells_when_each_word_ends(edge):
    text = "Don't panic: it's 42 & fine."
    words = await within(words_of(EdgeTtsEngine(EdgeTts(), endpoint=edge.endpoint), text))

    assert edge.requests[-1].config["metadataoptions"]["wordBoundaryEnabled"] == "true"
    assert [text[: word.chars] for word in words] == [
        "Don't", "Don't panic", "Don't panic: it's", "Don't panic: it's 42", "Don't panic: it's 42 & fine",
    ]  # fmt: skip
    assert [word.at for word in words] == pytest.approx([LETTER_S * word.chars for word in words], abs=0.001)


async def test_espeak_tells_it_too_in_whatever_language(closing):
    engine = closing(EspeakNgEngine(EspeakNg()))
    await engine.open()
    text = "Schöne Grüße aus München, sagt er."
    words = await within(words_of(engine, text, Voice(language="de-DE")))

    assert [text[: word.chars] for word in words[:3]] == ["Schöne", "Schöne Grüße", "Schöne Grüße aus"]
    assert [word.at for word in words] == sorted(word.at for word in words)


class _Telling:
    """A voice that begins with 185 ms of silence and says one word each 200 ms after it."""

    name = "telling"
    sample_rate = 24_000
    late = False

    def cache_key(self, voice=None) -> str:
        return "telling"

    async def speak(self, text, voice=None):
        words = [WordTime(0.185 + 0.2 * (number + 1), end) for number, end in enumerate((3, 7, 13))]
        if not self.late:
            for word in words:
                yield word
        yield silence(0.185) + tone(0.3)
        yield tone(0.3) + silence(0.875)
        if self.late:
            for word in words:
                yield word


@pytest.mark.parametrize("late", [False, True], ids=["told before the sound", "told after it"])
async def test_trimmed_silence_does_not_shift_the_words(synthesis, late: bool):
    engine = _Telling()
    engine.late = late
    phrase = await within(collect(synthesis.phrase(engine, OPUS, "One two threes", shareable=True)))
    again = await within(collect(synthesis.phrase(engine, OPUS, "One two threes", shareable=True)))

    assert [word.at for word in phrase.words] == pytest.approx([0.21, 0.41, 0.61], abs=0.011)
    assert again.words == phrase.words  # from the cache


def test_words_outlive_the_disk(tmp_path):
    from openclaw_actors.engines.tts.cache_files import PhraseFiles

    files = PhraseFiles(tmp_path, 10_000)
    phrase = Encoded((b"a", b"bc"), b"pcm!", (WordTime(0.02, 3), WordTime(0.04, 9)))
    files.write("key", phrase)

    assert files.read("key") == phrase


@pytest.mark.parametrize(
    ("packets", "spoken"),
    [(1, ""), (10, ""), (11, "One"), (20, "One"), (21, "One two"), (29, "One two")],
)
def test_a_cut_phrase_is_remembered_to_the_last_whole_word(packets: int, spoken: str):
    playout = Playout(OPUS, lambda: None)
    words = (WordTime(0.21, 3), WordTime(0.41, 7), WordTime(0.61, 13))
    speech = Speech(1, 0, "One two three.", (b"\x08voice",) * 30, b"", ends_phrase=True, ends_turn=True, words=words)
    playout.release(1)
    playout.add(speech)
    for _ in range(packets):
        playout.next_packet()
    playout.cut(2)

    (part,) = [move for move in playout.take() if isinstance(move, Spoken)]
    assert part.text == spoken


def test_a_word_that_the_voice_names_differently_is_passed_over():
    places = WordPlaces("İt's 3 € für alle")

    found = [places.end_of(word) for word in ("it's", "three", "euros", "FÜR", "", "alle")]
    assert found == [4, None, None, 12, None, 17]


def test_a_language_has_its_voice_unless_the_own_one_speaks_it():
    assert choose_voice("", "de-DE", "en-US-EmmaMultilingualNeural") == "en-US-EmmaMultilingualNeural"
    assert choose_voice("", "de-DE", "en-US-AriaNeural") == "de-DE-KatjaNeural"
    assert choose_voice("", "en-GB", "en-US-AriaNeural") == "en-US-AriaNeural"
    assert choose_voice("", "tlh", "en-US-AriaNeural") == "en-US-AriaNeural"
    assert choose_voice("alloy", "de", "en-US-AriaNeural") == "de-DE-KatjaNeural"
    assert choose_voice("fr-FR-HenriNeural", "de", "en-US-AriaNeural") == "fr-FR-HenriNeural"
    assert all(choose_voice(name, "", "own") == name for name in BY_LANGUAGE.values())


def test_a_call_speaks_faster_or_higher_than_the_settings_say():
    assert [faster("+0%", 1.0), faster("+10%", 1.5), faster("-50%", 0.1)] == ["+0%", "+65%", "-95%"]
    assert [higher("+0Hz", 0), higher("-5Hz", 12)] == ["+0Hz", "+7Hz"]


async def test_a_voice_that_the_service_lacks_is_replaced_by_the_settings_own(edge):
    engine = EdgeTtsEngine(EdgeTts(), endpoint=edge.endpoint)
    voice = Voice("en-US-NobodyNeural")
    edge.fail(EdgeFault("no_audio"))
    with pytest.raises(Exception, match="sent no sound"):
        await within(words_of(engine, "Hello.", voice))
    await within(words_of(engine, "Hello.", voice))

    assert ["Nobody" in request.voice for request in edge.requests] == [True, False]
    assert engine.cache_key(voice) == engine.cache_key()
