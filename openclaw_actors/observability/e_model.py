"""What a line's sound is worth, by the E-model of ITU-T G.107 in its short form. Pure.

The short form (Cole & Rosenbluth, "Voice over IP performance monitoring", 2001) takes the defaults of G.107 for all
that a packet line does not change, and keeps what it does: delay (Id) and loss (Ie,eff, section 7). It tells bad lines
from good ones; it is an estimate, and no measurement of what anybody heard.
"""

from __future__ import annotations

_R0 = 93.2
"""R of a line without delay or loss, all parameters at the defaults of G.107 table 2."""

_ONE_WAY_LIMIT_S = 0.1773
"""Up to there delay is hardly noticed; beyond, people begin to talk at once."""

_ROBUSTNESS = 25.1
"""Bpl of G.711 with packet-loss concealment and random loss (G.113 appendix I); without, it would be 4.3. Opus has no
value of its own there: with its in-band redundancy it bears more loss, so for it the estimate is a lower bound."""


def r_factor(delay_s: float, loss: float) -> float:
    """The rating R, 0 (useless) to 93.2.

    Args:
        delay_s: mouth to ear, seconds, one way.
        loss: share of the packets that were of no use to the ear, 0 to 1, with concealment in their place.
    """
    delay_ms = delay_s * 1000
    impaired_by_delay = 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - _ONE_WAY_LIMIT_S * 1000)
    percent = 100 * loss
    impaired_by_loss = 95 * percent / (percent + _ROBUSTNESS)  # Ie of G.711 and BurstR: 0 and 1
    return max(0.0, _R0 - impaired_by_delay - impaired_by_loss)


def mos(delay_s: float, loss: float) -> float:
    """The mean opinion score that R stands for (G.107 annex B): 1 (bad) to 4.4 (as good as a telephone gets).

    Arguments are those of `r_factor`.
    """
    r = r_factor(delay_s, loss)
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
