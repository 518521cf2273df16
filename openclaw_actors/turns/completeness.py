"""How finished does it sound? From the words of a caller who has fallen silent, whether more are to come.

Nobody ends on "and", "to the", "um" or two digits of a telephone number; "What time is it" is whole. Recognisers that
punctuate put a full stop behind almost anything, so words count more than marks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from openclaw_actors.turns.barge_in import is_backchannel, words

FINISHED = 1.0
"""Nothing is missing."""
STATEMENT = 0.57
"""A clause that may be all, or go on ("I need a taxi", "to the airport at six"): words can't tell."""
UNFINISHED = 0.3
"""Below it more is to come, and to answer what there is would be to answer something else."""

_BROKEN_OFF = 0.05
_WANTING = 0.15
_STRANDED = 0.3
_COUNTING = 0.25
_QUESTION = 0.9

_TRAILING = re.compile(r"(?:,|[-‐–—:;、，]|…|\.{3})$")  # noqa: RUF001 - so is it written in Chinese and Japanese
_ASKED = re.compile(r"[?？؟]$")  # noqa: RUF001 - likewise
_SHORT = 2
"""Words that are an answer by themselves ("Tomorrow morning"), when nothing in them asks for more."""
_SUBORDINATE = 7
"""Words that a clause begun with "if" has at most before its main clause must begin."""
_NUMBERS_IN_A_ROW = 2
_NOES = frozenset({"no", "nope", "nein", "non"})


def _set(text: str) -> frozenset[str]:
    return frozenset(words(text))


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(words(phrase)) for phrase in text.split("|"))


@dataclass(frozen=True, slots=True)
class _Lexicon:
    """What a language's speakers don't end on.

    Args:
        dangling: nobody ends on these: articles, conjunctions, possessives, hesitations.
        leaning: they lean on what follows, but may be left behind at the end of a question ("Where are you from").
        wanting: so ends what wants an object ("I would like to know").
        asking: so begins a question.
        subordinating: so begins a clause that is no sentence by itself.
        numbers: what telephone numbers and dates are said with.
        common: other frequent words, by which the language is known.
    """

    dangling: frozenset[str]
    leaning: frozenset[str]
    wanting: tuple[tuple[str, ...], ...]
    asking: frozenset[str]
    subordinating: frozenset[str]
    numbers: frozenset[str]
    common: frozenset[str] = field(default_factory=frozenset)

    def fronts(self, word: str) -> bool:
        """Whether it is asked for by this word, and what it stands for may be missing at the end: "who", not "can"."""
        return word in self.asking and word not in self.leaning

    def knows(self, heard: list[str]) -> int:
        """How many of the words are this language's."""
        return sum(word in self.dangling or word in self.leaning or word in self.common for word in heard)


_LEXICONS = {
    "en": _Lexicon(
        dangling=_set(
            "a an the and or but because if whether than as which whose my your our their its every um uh er erm hmm "
            "i we they he she im ill ive id youre theyre thats theres whats lets very really quite "
            "also although unless until while into onto per"
        ),
        leaning=_set(
            "of to in on at by for with from about between under without near is are was were am be been being has "
            "have had do does did can could will would shall should may might must dont doesnt didnt cant wont wouldnt "
            "couldnt isnt arent these just only another"
        ),
        wanting=_phrases(
            "i want|i need|i would like|id like|i want you|like to know|want to know|need to know|tell me|show me|"
            "give me|send me|let me|can you|could you|would you|will you|please call|remind me|i think|i mean|i guess|"
            "is there|a lot of|im going|im looking|i like"
        ),
        asking=_set(
            "what who whom whose which where when why how is are am was were do does did can could will would should "
            "shall may have has whats whos wheres hows"
        ),
        subordinating=_set("if when because while after before since although unless whenever once"),
        numbers=_set("zero oh one two three four five six seven eight nine double triple"),
        common=_set("it you me him her there here now today tomorrow yes no thanks please not want need"),
    ),
    "de": _Lexicon(
        dangling=_set(
            "der die den dem des ein eine einen einem einer eines und oder aber weil dass ob wenn als mein "
            "meine meinen meinem meiner dein deine ihre unser unsere sein seine äh ähm öh ich wir zum zur vom beim "
            "ins im am sehr denn sondern sowie"
        ),
        leaning=_set(
            "von zu in auf mit für bei nach über unter vor zwischen ohne gegen um durch ist sind war waren hat haben "
            "kann kannst können könnte könnten will wollen möchte muss soll wird würde er"
        ),
        wanting=_phrases(
            "ich möchte|ich brauche|ich hätte gern|können sie|könnten sie|kannst du|sagen sie mir|sag mir|"
            "mein name ist|meine nummer ist|ich glaube|gibt es|ich wollte"
        ),
        asking=_set(
            "was wer wen wem wessen wo wohin woher wann warum wieso weshalb wie welche welcher welches ist sind hat "
            "haben kann kannst können könnten gibt"
        ),
        subordinating=_set("wenn weil während nachdem bevor obwohl falls sobald"),
        numbers=_set("null eins zwei zwo drei vier fünf sechs sieben acht neun"),
        common=_set("nicht bitte danke heute morgen ja nein auch noch mal mir mich das"),
    ),
    "es": _Lexicon(
        dangling=_set(
            "el la los las un una unos unas y e o u pero porque que aunque mi mis tus su sus nuestro nuestra del al "
            "muy eh pues yo"
        ),
        leaning=_set(
            "de a en con por para sin sobre entre hasta desde hacia son están era fue ha han puede tengo me te se"
        ),
        wanting=_phrases(
            "quiero|necesito|me gustaría|quisiera|puede|puedes|podría|dígame|dime|mi nombre es|mi número es|creo|hay|"
            "me llamo"
        ),
        asking=_set("qué quién dónde cuándo cómo cuánto cuánta cuántos cuál por puede puedes hay es está"),
        subordinating=_set("si cuando porque mientras aunque después antes"),
        numbers=_set("cero uno dos tres cuatro cinco seis siete ocho nueve"),
        common=_set("no sí gracias hoy mañana aquí ahora lo favor usted"),
    ),
    "fr": _Lexicon(
        dangling=_set(
            "le la les un une des du au aux et ou mais parce que qu car mon ma mes ton ta tes sa ses notre nos votre "
            "vos leur leurs euh heu je j l d très donc ainsi"
        ),
        leaning=_set(
            "de à en dans sur sous avec pour par sans chez entre vers est sont était a ont peut peux voudrais veux "
            "faut il elle on ce"
        ),
        wanting=_phrases(
            "je veux|je voudrais|jaimerais|jai besoin|pouvez vous|pourriez vous|peux tu|dites moi|dis moi|"
            "mon nom est|mon numéro est|je pense|je crois|il y a|estce que|est ce que|je mappelle"
        ),
        asking=_set(
            "que quoi qui où quand comment combien pourquoi quel quelle quels quelles est pouvez pourriez estce"
        ),
        subordinating=_set("si quand lorsque parce pendant après avant quoique comme"),
        numbers=_set("zéro un deux trois quatre cinq six sept huit neuf"),
        common=_set("pas oui non merci demain ici maintenant moi ça nous vous plaît"),
    ),
}


def completeness(text: str, language: str = "") -> float:
    """How finished the words sound, 0 (more is to come) to 1 (that was all).

    Costs 80 µs. Nothing said is finished; so is what is said in a language that is not known here, but for marks.

    Args:
        text: as recognised so far, with or without punctuation.
        language: BCP 47; empty: found by the words.
    """
    heard = words(text)
    if not heard:
        return FINISHED
    lexicon = _LEXICONS.get(language.partition("-")[0].lower()) if language else _likeliest(heard)
    bare = text.rstrip(" \"'”»)")
    if _TRAILING.search(bare):
        return _WANTING
    if lexicon is None:
        return STATEMENT
    return _missing(heard, lexicon) or _whole(heard, lexicon, asked=bool(_ASKED.search(bare)))


def _likeliest(heard: list[str]) -> _Lexicon:
    """The first of those that know most of the words; English when none knows any."""
    return max(_LEXICONS.values(), key=lambda lexicon: lexicon.knows(heard))


def _missing(heard: list[str], lexicon: _Lexicon) -> float:
    """What the last words leave open; 0: nothing."""
    last = heard[-1]
    if last in lexicon.dangling:
        return _BROKEN_OFF
    if any(tuple(heard[-len(phrase) :]) == phrase for phrase in lexicon.wanting):
        return _WANTING
    if last in lexicon.leaning:
        stranded = len(heard) > 2 and (_answers(heard[0]) or any(lexicon.fronts(word) for word in heard[:-1]))
        return _STRANDED if stranded else _WANTING
    tail = heard[-_NUMBERS_IN_A_ROW:]
    if len(tail) == _NUMBERS_IN_A_ROW and all(word in lexicon.numbers or word.isdigit() for word in tail):
        return _COUNTING
    if heard[0] in lexicon.subordinating and len(heard) <= _SUBORDINATE:
        return _COUNTING
    return 0.0


def _answers(word: str) -> bool:
    """A verb may be the last word behind it, for what was asked: "Yes I am", "no I don't"."""
    return word in _NOES or is_backchannel(word)


def _whole(heard: list[str], lexicon: _Lexicon, *, asked: bool) -> float:
    if asked or is_backchannel(" ".join(heard)):
        return FINISHED
    if heard[0] in lexicon.asking or len(heard) <= _SHORT:
        return _QUESTION
    return STATEMENT
