"""A hook of mkdocs: the pages that are made of the code, anew at each build, so that they can't be behind it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]


def on_files(files: Files, config: Any) -> Files:
    """Called by mkdocs once it has found what is in docs/."""
    if str(ROOT) not in sys.path:  # mkdocs loads a hook by its path alone
        sys.path.insert(0, str(ROOT))
    from tests.docs import commands_reference, configuration_reference

    pages = {"configuration.md": configuration_reference.render(), "commands.md": commands_reference.render()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files
