"""Warnings in state.json: as they are stored, and the sentences that releases up to 0.7.0 stored instead."""

import msgspec
import pytest

from entro_cli.history.migrate_state import migrate_state
from entro_cli.history.state import State
from entro_cli.timeseries.problems import Problem, ProblemKind

STORED = {  # written by 0.6.0
    "1 row out of order: sorted": Problem(ProblemKind.OUT_OF_ORDER, 1),
    "300 rows repeated exactly: counted once": Problem(ProblemKind.REPEATED, 300),
    "2 rows with other values at the same time: averaged": Problem(ProblemKind.AVERAGED, 2),
    "6 times in an hour the clock showed twice were told apart by their order": Problem(
        ProblemKind.HOUR_TWICE_BY_ORDER, 6
    ),
    "1 times in an hour the clock showed twice were taken as the first showing": Problem(
        ProblemKind.HOUR_TWICE_AS_FIRST, 1
    ),
    "2 times in an hour the clock skipped were moved past it": Problem(ProblemKind.HOUR_SKIPPED, 2),
    "1 times the clock stepped back within a run: those lines count at the next one": Problem(
        ProblemKind.CLOCK_BACK_IN_RUN, 1
    ),
}


def migrated(*sentences):
    log = {"path": "", "place": "", "head": "", "head_bytes": 0, "offset": 0, "tail": "", "options": ""}
    raw = {"version": 1, "logs": [log | {"format": "table", "problems": [*sentences]}]}
    return msgspec.convert(migrate_state(raw), State).logs[0]


@pytest.mark.parametrize("sentence", STORED)
def test_counts_of_0_6_0_are_counts_again(sentence):
    assert migrated(sentence).known_problems() == (STORED[sentence],)


def test_a_warning_of_where_a_log_ended_is_dropped():
    assert migrated("3 tasks are not done where the log ends").known_problems() == ()


@pytest.mark.parametrize("sentence", ["not UTF-8: read as Latin-1", "3 tasks are done", "", "7"])
def test_other_sentences_stay_as_they_were_written(sentence):
    (problem,) = migrated(sentence).known_problems()
    assert str(problem) == sentence


@pytest.mark.parametrize("kind", ProblemKind)
def test_a_warning_is_stored_as_it_is(kind):
    state = migrated()
    problem = Problem(kind, 3, ("{first}", "second"))
    state.store_problems([problem])
    stored = msgspec.json.decode(msgspec.json.encode(state), type=type(state))
    assert stored.known_problems() == (() if kind.is_of_the_end else (problem,))


@pytest.mark.parametrize("kind", ProblemKind)
@pytest.mark.parametrize("count", [0, 1, 12])
def test_every_kind_has_a_sentence(kind, count):
    sentence = str(Problem(kind, count, ("{first}", "second", "third")))
    assert "{count}" not in sentence
    assert not sentence.endswith(".")
    assert not (count == 1 and sentence.startswith("1 ") and " are " in sentence.partition(":")[0])
