"""Write every dashboard's JSON."""

from __future__ import annotations

import json
from pathlib import Path

from dashboards.source.cluster import CLUSTER
from dashboards.source.engines import ENGINES
from dashboards.source.overview import OVERVIEW
from dashboards.source.phone import PHONE
from dashboards.source.quality import QUALITY
from dashboards.source.stages import STAGES_AND_ACTORS

DASHBOARDS = (OVERVIEW, QUALITY, STAGES_AND_ACTORS, ENGINES, PHONE, CLUSTER)
FOLDER = Path(__file__).parents[1] / "grafana"


def texts() -> dict[Path, str]:
    """What each file is to hold."""
    return {
        FOLDER / f"{dashboard.uid.removeprefix('openclaw-actors-')}.json": json.dumps(dashboard.as_json(), indent=2)
        + "\n"
        for dashboard in DASHBOARDS
    }


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text)
