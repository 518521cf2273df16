"""What the caller's words mean for who speaks next: their bare form, and whether they only say "I am listening"."""

# ruff: noqa: RUF001  letters of many scripts stand here because they are words of many languages
from __future__ import annotations

import re
import unicodedata

_JOINERS = str.maketrans("", "", "'’‘ʼ`´\u00ad\u200b\u200c\u200d\u2060\ufeff")
"""Apostrophes and invisible joiners vanish: "that's" and "that’s" are one word, not two."""

_ASCII_WORD = re.compile(r"[a-z0-9]+")

_HUMS = re.compile(r"u+h*m*|a+h+|o+h+|e+h+m*|e+r+m*|h+m+|m+h*m*|hu+h+|h+a+h+a*|ä+h*m*")
"""Sounds that engines spell as they like: uh, um, ah, oh, er, hm, mm, mhm, huh, haha, ähm."""

_PHRASES = """
yeah|yea|ya|yep|yup|yes|okay|ok|okey|k|right|alright|all right|sure|cool|nice|great|good|fine|wow|really|exactly
indeed|true|absolutely|definitely|totally|of course|got it|i got it|gotcha|i see|i know|i understand|sounds good
makes sense|that makes sense|that's right|that's true|fair enough|uh huh|mm hm|aha
ja|jo|jep|genau|klar|gut|alles klar|stimmt|richtig|achso|ach so|verstehe
oui|ouais|d'accord|bien|très bien|exact|exactement|je vois|voilà|bien sûr
sí|si|claro|vale|ajá|entiendo|ya veo|de acuerdo|muy bien
sim|tá|tá bom|certo|entendi|isso|pois é
va bene|capito|ho capito|esatto|giusto|bene
precies|goed|snap ik|juist
jaha|just det|precis
tak|no tak|jasne|dobrze|rozumiem
да|ага|угу|так|ясно|понятно|хорошо|конечно
evet|tamam|anladım|peki|hı hı
हाँ|हां|जी|अच्छा|ठीक है|सही
نعم|ايوه|أيوه|تمام|طيب|حسنا|حسناً|ماشي
嗯|嗯嗯|对|對|对对|好|好的|是|是的|明白|知道了
はい|うん|うんうん|ええ|そう|そうです|そうですね|なるほど
네|예|응|음|그래|그래요|맞아|맞아요|그렇군요
"""
"""English, German, French, Spanish, Portuguese, Italian, Dutch, Swedish, Polish, Russian and Ukrainian, Turkish,
Hindi, Arabic, Chinese, Japanese, Korean. No word of refusal, nor one that asks for anything, belongs here."""


def words(text: str) -> list[str]:
    """The bare words of a transcript: NFKC, case folded, marks and punctuation dropped.

    Scripts that do not separate words (Chinese, Japanese, Thai) give one word for what stands between two marks.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).translate(_JOINERS)
    if folded.isascii():
        return _ASCII_WORD.findall(folded)
    return "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split()


def normalise(text: str) -> str:
    """The bare words, joined by single spaces: two transcripts that differ no more than this say the same."""
    return " ".join(words(text))


def has_words(text: str) -> bool:
    """Was anything said at all? Punctuation and emoji are no words."""
    return bool(words(text))


_BACKCHANNELS = frozenset(tuple(words(phrase)) for phrase in re.split(r"[|\n]", _PHRASES.strip()))
_LONGEST_BACKCHANNEL = max(map(len, _BACKCHANNELS))


def is_backchannel(text: str) -> bool:
    """Does this only say "go on, I am listening" ("yeah", "uh-huh, okay", "I see")? Nothing said is none.

    Only a word that changes nothing while we speak is one: "no", "stop" and "wait" interrupt. When nobody speaks,
    the same "yes" is an answer; that difference is the caller's of this function.
    """
    heard = words(text)
    covered = 0
    while covered < len(heard):
        step = _backchannel_at(heard, covered)
        if not step:
            return False
        covered += step
    return bool(heard)


def _backchannel_at(heard: list[str], start: int) -> int:
    """How many words from ``start`` on are one backchannel, the longest there is; 0: none."""
    for length in range(_LONGEST_BACKCHANNEL, 0, -1):
        if tuple(heard[start : start + length]) in _BACKCHANNELS:
            return length
    return 1 if _HUMS.fullmatch(heard[start]) else 0
