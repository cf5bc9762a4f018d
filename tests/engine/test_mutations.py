"""Every law's test fails once the law is broken."""

import pytest

from tests.engine.mutations import MUTATIONS, ROOT, apply, copy_tree, run_tests


def test_every_trial_fits_the_code_and_names_a_test(tmp_path):
    for trial in MUTATIONS:
        copy = tmp_path / "copy"
        copy.mkdir(exist_ok=True)
        (copy / "entro_engine").mkdir(exist_ok=True)
        for module, _, _ in trial.edits:
            source = ROOT / "entro_engine" / f"{module}.py"
            (copy / "entro_engine" / source.name).write_text(source.read_text())
        apply(trial, copy)
        file, name = trial.node.split("::")
        assert f"def {name}(" in (ROOT / file).read_text()


@pytest.mark.slow
def test_the_unbroken_copy_passes(tmp_path):
    copy_tree(tmp_path)
    result = run_tests(tmp_path, *sorted({trial.node for trial in MUTATIONS}), profile="ci")
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("trial", MUTATIONS, ids=lambda trial: f"{trial.law}: {trial.broken}")
def test_a_broken_law_is_noticed(trial, tmp_path):
    copy_tree(tmp_path)
    apply(trial, tmp_path)
    result = run_tests(tmp_path, trial.node)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 failed" in result.stdout
