"""What the chaos tests share."""

from __future__ import annotations

import pytest

from openclaw_actors.observability.logs import configure_logs, stop_logs
from openclaw_actors.settings.sections import Logs


@pytest.fixture(scope="session", autouse=True)
def _logs_as_in_production():
    """structlog's default draws each traceback with its local variables, which holds the loop for a second."""
    configure_logs(Logs(level="error", format="json"))
    yield
    stop_logs()
