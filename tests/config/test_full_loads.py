"""Full loads and the budget from what a user knows: the capacity and the accepted wait."""

import pytest

from entro_engine import Kind


def test_from_capacity_and_wait(settings):
    found = settings('capacity = 2.4\nwait = "5s"\n')
    assert found.full_of("scraper", Kind.RATE) == pytest.approx(6.0)
    assert found.full_of("llm", Kind.QUEUE) == pytest.approx(12.0)
    assert found.full_of("gpu", Kind.GENERIC) is None


def test_the_published_capacity_gives_the_published_full_loads(settings):
    found = settings("capacity = 1.2\n")
    assert found.full_of("a", Kind.RATE) == pytest.approx(3.0)
    assert found.full_of("b", Kind.QUEUE) == pytest.approx(10.0)


def test_a_wait_alone_says_nothing_of_a_load(settings):
    assert settings("wait = 4\n").full_of("llm", Kind.QUEUE) is None


def test_a_stage_s_own_full_load_comes_first_if_it_is_of_its_kind(settings):
    found = settings('capacity = 1.2\n[stages.llm]\nfull = 22\nkind = "queue"\n[stages.web]\nfull = 7\n')
    assert found.full_of("llm", Kind.QUEUE) == 22
    assert found.full_of("llm", Kind.RATE) == pytest.approx(3.0)
    assert found.full_of("web", Kind.RATE) == 7


def test_the_budget(settings):
    assert settings().budget == 3.0
    assert settings("gamma = 0.5\n").budget == 2.0
