"""``openclaw-actors``, which tells at its end what it has imported: ``python -m tests.cli.told_imports``."""

from __future__ import annotations

import atexit
import sys

from openclaw_actors.cli.main import main


def tell() -> None:
    packages = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
    sys.stderr.write(f"imported: {' '.join(sorted(packages))}\n")


if __name__ == "__main__":
    atexit.register(tell)
    main()
