"""Every fenced example of every page (README.md too), and of each line of shell what it runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SHELLS = {"sh", "bash", "console"}

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[^\"]*)\")?\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True, slots=True)
class Example:
    """One fenced block.

    Args:
        page: its page's path, from docs/ on (``engines/piper.md``), or ``README.md``.
        line: the line of the page where its text begins.
        language: what the fence says; empty when it says nothing.
        title: the fence's title, if it has one.
        text: the block, its own indentation taken off.
    """

    page: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """All of them."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def of_page(path: Path) -> Iterator[Example]:
    """The examples of one page, in their order."""
    name = str(path.relative_to(DOCS)) if path.is_relative_to(DOCS) else path.name
    text = path.read_text()
    for found in _FENCE.finditer(text):
        body = re.sub(rf"(?m)^{found['indent']}", "", found["text"])
        line = text.count("\n", 0, found.start("text")) + 1
        yield Example(name, line, found["language"], found["title"] or "", body)


def all_examples(*languages: str) -> list[Example]:
    """Those in these languages; without any, all."""
    return [each for path in pages() for each in of_page(path) if not languages or each.language in languages]


def commands(example: Example) -> Iterator[list[str]]:
    """The words of each command of a block of shell, without comments and the variables that are set before it.

    Of ``console`` only what is behind a prompt, ``$ ``. Blocks with functions or here-documents are for those who run
    them whole, not for this.
    """
    text = example.text
    if example.language == "console":
        text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
    for line in re.sub(r"(?m)^\w+=\$\((.*)\)$", r"\1", text.replace("\\\n", " ")).splitlines():
        for part in re.split(r" \| | && | \|\| ", line):
            words = shlex.split(part, comments=True)
            while words and (_VARIABLE.match(words[0]) or words[0] in {"sudo", "exec"}):
                words.pop(0)
            if ">" in words:
                words = words[: words.index(">")]
            if words:
                yield words
