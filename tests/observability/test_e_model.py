"""The E-model's short form against values worked out by hand from its formulas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.observability.e_model import mos, r_factor

LINES = st.tuples(st.floats(0, 5), st.floats(0, 1))


@pytest.mark.parametrize(
    ("delay_s", "loss", "rating", "score"),
    [
        (0.0, 0.0, 93.2, 4.41),
        (0.150, 0.01, 86.0, 4.23),
        (0.150, 0.05, 73.8, 3.77),
        (0.250, 0.0, 79.2, 3.99),
        (0.400, 0.0, 59.1, 3.05),
        (0.150, 0.20, 47.5, 2.44),
    ],
)
def test_known_lines_have_known_scores(delay_s, loss, rating, score):
    assert r_factor(delay_s, loss) == pytest.approx(rating, abs=0.06)
    assert mos(delay_s, loss) == pytest.approx(score, abs=0.006)


@given(LINES)
def test_a_score_is_never_off_the_scale(line):
    assert 1.0 <= mos(*line) <= 4.42


@given(LINES, st.floats(0, 0.5), st.floats(0, 0.5))
def test_more_delay_or_more_loss_never_makes_a_line_better(line, later, lossier):
    delay_s, loss = line
    assert r_factor(delay_s + later, min(1.0, loss + lossier)) <= r_factor(delay_s, loss)
