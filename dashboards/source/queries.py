"""PromQL, a word at a time. Every query asks of the jobs and instances that the variables name."""

from __future__ import annotations

CHOSEN = 'job=~"$job", instance=~"$instance"'
WINDOW = "$__rate_interval"

_PREFIX = "openclaw_actors_"
_JOB = 'job=~"$job"'
_STRANGERS = ("process_", "python_", "up")


def of(name: str, *matchers: str) -> str:
    """The series of a metric, ours without its prefix."""
    if name.startswith("job:"):  # recorded by a rule, for all hosts of a job together
        return f"{name}{{{', '.join((_JOB, *matchers))}}}"
    full = name if name.startswith(_STRANGERS) else _PREFIX + name
    return f"{full}{{{', '.join((CHOSEN, *matchers))}}}"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""


def total(name: str, *matchers: str, by: str = "", how: str = "sum") -> str:
    """A gauge, added up (or ``how`` else) over what is not in ``by``."""
    return f"{how}{_by(by)} ({of(name, *matchers)})"


def rate(name: str, *matchers: str, by: str = "", window: str = WINDOW) -> str:
    """How much of a counter a second."""
    return f"sum{_by(by)} (rate({of(name, *matchers)}[{window}]))"


def per_minute(name: str, *matchers: str, by: str = "") -> str:
    """How much of a counter a minute: people count calls and turns in minutes."""
    return f"60 * {rate(name, *matchers, by=by)}"


def quantile(q: float, name: str, *matchers: str, by: str = "", window: str = WINDOW) -> str:
    """The quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q:g}, sum by ({labels}) (rate({of(name + '_bucket', *matchers)}[{window}])))"


def mean(name: str, *matchers: str, by: str = "") -> str:
    """The mean of a histogram."""
    return f"{rate(name + '_sum', *matchers, by=by)} / {rate(name + '_count', *matchers, by=by)}"


def above(name: str, bound: str, *matchers: str, window: str = WINDOW) -> str:
    """The share of a histogram's observations above ``bound``, which must be one of its buckets' bounds."""
    within = rate(name + "_bucket", f'le="{bound}"', *matchers, window=window)
    return f"1 - {within} / {rate(name + '_count', *matchers, window=window)}"
