"""Markup taken out of a stream of characters: what a model writes for the eye, and a voice must not read aloud."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from string import hexdigits

from openclaw_actors.turns.character_parser import END, HOLD, CharacterParser, Part

_SKIP = 600
"""Characters of a link's target or a long tag that are dropped at most while its end is awaited."""

CODE_NOTE = "I've put the code in the chat."

_BLOCK = re.compile(r"(?:\s|>|#{1,6}\s|[-*+•‣◦▪·–]\s)*")  # noqa: RUF001  a bullet may be a dash
_FENCE = re.compile(r"\s*(```|~~~)")
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9-]*)(?:[\s/][^<]*)?>")
_BREAKS = frozenset({"br", "p", "div", "li", "tr", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6"})
_UNSPOKEN = frozenset({"think", "thinking", "reasoning", "script", "style"})
_SPOKEN = '{"spoken":"'
"""How an answer begins by the spoken-JSON contract of OpenClaw's voice calls; its value alone is for the ear."""

_JSON_ESCAPES = {"n": "\n", "r": "\n", "t": " ", "b": "", "f": " "}


class Markup(CharacterParser):
    """Gives the text without markup to ``say``, in pieces of any size.

    Args:
        say: takes the text, with white space and punctuation as written.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(say)
        self._openers: dict[str, Callable[[], Part]] = {
            "[": self._label,
            "]": self._late_target,
            "!": self._image,
            "<": self._tag,
            "{": self._object,
            "&": self._entity,
            "\\": self._escape,
        }
        self._begin()

    def put(self, char: str) -> None:
        """The next character; END says that the text is over."""
        self._parser.send(char)
        if char == END:
            self._begin()

    def _begin(self) -> None:
        self._given_back.clear()
        self._previous = ""
        self._code_told = False
        self._parser = self._document()
        next(self._parser)

    def _say_plain(self, markup: str) -> None:
        """Say text that is known to its end, without the markup in it."""
        inner = Markup(self._say)
        for char in markup + END:
            inner.put(char)

    # --- Lines ------------------------------------------------------------------------------------------------

    def _document(self) -> Part:
        while True:
            yield from self._line()

    def _line(self) -> Part:
        """One line. It is held until its first letter: one of mere signs ("---", "* * *", ":---:") has no sound."""
        head = ""
        while not (char := (yield from self._next())).isalnum() and char not in {"{", "\n", END}:
            if len(head) < HOLD:
                head += char
        fence = _FENCE.match(head)
        if fence and char != END:
            self._give_back(char)
            yield from self._code(fence[1][0])
        elif head.lstrip().startswith("|"):
            yield from self._skip("\n", char)
            self._say("\n")
        elif char == "\n":
            self._say("\n")
        elif char != END:
            self._give_back(head[_BLOCK.match(head).end() :] + char)  # type: ignore[union-attr]  # it matches ""
            yield from self._inline()

    def _inline(self) -> Part:
        """The rest of a line, with its end."""
        while (char := (yield from self._next())) != END:
            if char in self._openers:
                yield from self._openers[char]()
            elif char in "*_~":
                yield from self._emphasis(char)
            elif char in "hHwW" and not self._previous.isalnum():
                yield from self._url(char)
            elif char != "`":
                self._say(char)
            if char == "\n":
                return

    def _code(self, fence: str) -> Part:
        """A fenced block, from behind its opening. With both fences on one line it is inline code."""
        opening, body, run, in_opening = "", "", 0, True
        while run < 3:
            char = yield from self._next()
            run = run + 1 if char == fence else 0
            if char == END:
                self._give_back(END)
                in_opening = False
                break
            if in_opening:
                in_opening = char != "\n"
                opening += char if len(opening) < HOLD else ""
            elif len(body) < len(_SPOKEN) and not char.isspace():
                body += char
                if body == _SPOKEN:
                    yield from self._json_string()
                elif not _SPOKEN.startswith(body):
                    body = body.ljust(len(_SPOKEN))
                    self._tell_code()
        if in_opening:
            self._say(opening.rstrip(fence))
            yield from self._inline()
        elif body and body != _SPOKEN:
            self._tell_code()

    def _tell_code(self) -> None:
        if not self._code_told:
            self._code_told = True
            self._say(f"\n{CODE_NOTE}\n")

    # --- Inside a line ----------------------------------------------------------------------------------------

    def _emphasis(self, mark: str) -> Part:
        """Dropped whether balanced or not, so nothing waits for its other half; 3*4, a * b, snake_case and ~5 stay."""
        count = 1
        while (char := (yield from self._next())) == mark:
            count += 1
        self._give_back(char)
        before, inside_word = self._previous, self._previous.isalnum() and char.isalnum()
        if mark == "_":
            stays = inside_word
        elif mark == "*":
            stays = count == 1 and ((before.isdigit() and char.isalnum()) or (before.isspace() and char.isspace()))
        else:
            stays = count == 1
        if stays:
            self._say(mark)

    def _image(self) -> Part:
        char = yield from self._next()
        if char == "[":
            yield from self._label("![")
        else:
            self._no_markup("!" + char)

    def _label(self, opening: str = "[") -> Part:
        """``[label](target)``, ``[label][reference]``, ``[[tts:…]]``, ``[^1]``, ``[x]``; or mere brackets."""
        held, depth = opening, 1
        while depth:
            char = yield from self._next()
            held += char
            if held in {"[[tts:", "[[/tts:"}:
                yield from self._skip("]]", limit=_SKIP)
                return
            if char in {"\n", END} or len(held) > HOLD:
                self._no_markup(held)
                return
            depth += (char == "[") - (char == "]")
        label = held[len(opening) : -1]
        char = yield from self._next()
        if char == "(":
            self._say_plain(label)
            yield from self._target()
        elif char == "[":
            self._say_plain(label)
            yield from self._skip("]", limit=HOLD)
        elif label.strip() in {"", "x", "X"} or label.startswith("^"):
            self._give_back(char)
        else:
            self._no_markup(held + char)

    def _late_target(self) -> Part:
        """The target of a link whose label was too long to be held."""
        char = yield from self._next()
        if char == "(":
            yield from self._target()
        else:
            self._no_markup("]" + char)

    def _target(self) -> Part:
        depth = 1
        for _ in range(_SKIP):
            char = yield from self._next()
            if char in {"\n", END}:
                self._give_back(char)
                return
            depth += (char == "(") - (char == ")")
            if not depth:
                return

    def _tag(self) -> Part:
        """``<b>``, ``</b>``, ``<!-- -->``, ``<https://…>``; or less than. Thoughts between tags are not for the ear."""
        held = "<"
        while not held.endswith(">"):
            char = yield from self._next()
            held += char
            if held == "<!--":
                yield from self._skip("-->")
                return
            starts = held[1] in "/!" or (held[1].isascii() and held[1].isalpha())
            if not starts or char in {"<", "\n", END} or (len(held) > HOLD and "=" not in held):
                self._no_markup(held)
                return
            if len(held) > HOLD:
                yield from self._skip(">", limit=_SKIP)
                return
        tag = _TAG.fullmatch(held)
        name = tag[1].lower() if tag else ""
        if name in _UNSPOKEN and held[1] != "/":
            yield from self._skip(f"</{tag and tag[1]}>")
        elif name in _BREAKS:
            self._say("\n")
        elif "://" in held or "@" in held:
            self._say_plain(held[1:-1])
        elif not tag and not held.startswith("<!"):
            self._no_markup(held)

    def _object(self) -> Part:
        """``{"spoken":"…", …}``: its value; or mere braces."""
        held = "{"
        while (bare := "".join(held.split())) != _SPOKEN:
            if not _SPOKEN.startswith(bare) or len(held) > HOLD:
                self._no_markup(held)
                return
            held += yield from self._next()
        yield from self._json_string()
        yield from self._skip("}")

    def _json_string(self) -> Part:
        """The rest of a JSON string (RFC 8259 §7), said as the markup that it is."""
        inner = Markup(self._say)
        high = ""
        while (char := (yield from self._next())) not in {'"', END}:
            if char == "\\":
                char = yield from self._next()
                if char == END:
                    break
                if char == "u":
                    char, high = yield from self._utf16(high)
                else:
                    char = _JSON_ESCAPES.get(char, char)
            for c in char.replace(END, ""):
                inner.put(c)
        inner.put(END)
        if char == END:
            self._give_back(END)

    def _utf16(self, high: str) -> Generator[None, str, tuple[str, str]]:
        """Four hexadecimal digits: the character, and the first half of one whose other half is still to come."""
        digits = ""
        while len(digits) < 4 and (char := (yield from self._next())) in hexdigits:
            digits += char
        if len(digits) < 4:
            self._give_back(char)
            return "", ""
        unit = chr(int(digits, 16))
        if "\ud800" <= unit < "\udc00":
            return "", unit
        return (high + unit).encode("utf-16", "surrogatepass").decode("utf-16", "ignore"), ""
