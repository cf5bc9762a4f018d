"""Warnings in state.json: sentences, as version 0.6.0 wrote them, whose counts go on being added up."""

import pytest

from entro_cli.history.state import LogState
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


def log(*problems):
    return LogState(
        path="", place="", head="", head_bytes=0, offset=0, tail="", options="", format="table", problems=[*problems]
    )


@pytest.mark.parametrize("sentence", STORED)
def test_counts_of_0_6_0_are_read_and_written_in_the_same_words(sentence):
    state = log(sentence)
    assert state.known_problems() == (STORED[sentence],)
    state.store_problems(state.known_problems())
    assert state.problems == [sentence]


def test_every_count_that_adds_up_is_stored():
    kinds = {problem.kind for problem in STORED.values()}
    assert kinds == {kind for kind in ProblemKind if kind.is_additive}


@pytest.mark.parametrize("sentence", ["not UTF-8: read as Latin-1", "3 tasks are not done where the log ends", "", "7"])
def test_other_sentences_stay_as_they_were_written(sentence):
    (problem,) = log(sentence).known_problems()
    assert str(problem) == sentence


@pytest.mark.parametrize("kind", ProblemKind)
@pytest.mark.parametrize("count", [0, 1, 12])
def test_every_kind_has_a_sentence(kind, count):
    sentence = str(Problem(kind, count, ("{first}", "second", "third")))
    assert "{count}" not in sentence
    assert not sentence.endswith(".")
    assert not (count == 1 and sentence.startswith("1 ") and " are " in sentence.partition(":")[0])
