import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.core import formatting as numbers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (9.97, "10 s"),
        (45, "45 s"),
        (59.7, "1 min"),
        (119.6, "2 min"),
        (7500, "2 h 5 min"),
        (3599.9, "1 h"),
        (86399, "1 d"),
        (90000, "1 d 1 h"),
        (86400 * 1234.5, "1,234 d"),
        (4.5e27, "5.2e22 d"),
        (math.inf, "never"),
    ],
)
def test_durations_have_their_two_largest_units(seconds, text):
    assert numbers.duration(seconds) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [(0, "0%"), (1e-6, "<0.1%"), (0.0714, "7.1%"), (0.99999, ">99.9%"), (1, "100%"), (31.2, "3,120%")],
)
def test_only_all_and_nothing_are_written_as_such(part, text):
    assert numbers.share(part) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [(5, 3, "+2"), (3, 5, "-2"), (3, 3, "="), (3, None, "-"), (None, 3, "-"), (math.inf, 3, "-")],
)
def test_a_change_has_its_sign(now, before, text):
    assert numbers.change(numbers.count, now, before) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 steps"), (1, "1 step"), (1440, "1,440 steps")])
def test_a_count_and_its_noun_agree(number, text):
    assert numbers.counted(number, "step") == text


@given(st.floats(-1e12, 1e12), st.sampled_from([numbers.quantity, numbers.nats, numbers.count]))
def test_numbers_are_short_and_plain(value, say):
    assert say(value).isascii()
    assert len(say(value)) <= 18


@given(st.floats(0, 1e9))
def test_a_duration_has_at_most_two_units(seconds):
    assert len(numbers.duration(seconds).split()) in (2, 4)


@pytest.mark.parametrize(
    ("value", "text"), [(1.4e9, "1.4e9"), (1e40, "1.0e40"), (-2.5e12, "-2.5e12"), (999e6, "999,000,000")]
)
def test_very_large_numbers_are_powers_of_ten(value, text):
    assert numbers.quantity(value) == text
