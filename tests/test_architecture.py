"""Who may import whom. Every import is read with `ast`, those inside functions and under TYPE_CHECKING too."""

import ast
import re
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import entro_engine

ROOT = Path(__file__).parents[1]

# The library. A law knows neither the plant it is tried in nor the scenarios.
ENGINE = {
    "errors": set(),
    "elementwise": set(),
    "sequential": set(),
    "entropy": {"errors"},
    "budget": {"errors"},
    "controller": {"elementwise", "errors"},
    "allocator": {"budget", "controller", "errors"},
    "baselines": {"controller", "elementwise", "errors"},
    "entro_engine_v9": {"controller", "elementwise", "entropy", "errors", "sequential"},
    "early_warning": {"entropy"},
    "run": {"budget", "entro_engine_v9", "entropy", "errors"},
    "log_plant": {"controller", "entro_engine_v9", "entropy", "errors", "sequential", "simulator_v9"},
    "workload": {"entropy", "errors"},
    "simulator_v9": {"controller", "elementwise", "entro_engine_v9", "entropy", "errors", "run", "workload"},
}
LAWS = {"budget", "allocator", "controller", "baselines", "entro_engine_v9", "elementwise", "early_warning"}

# The command line. Tools and types are for everyone; a room knows the rooms beside it in this table and no other;
# `commands` wires them all.
TOOLS = {
    "bundled",
    "clock",
    "document",
    "files",
    "numbers",
    "percentile",
    "suggest",
    "target",
    "terminal",
    "urls",
    "week_hours",
}
TYPES = {"cells", "holdings", "incidents", "maintenance", "observations", "steps", "summary"}
ROOMS = {
    "alerts": set(),
    "inputs": {"remote", "unpacking", "unwrapping"},
    "remote": {"alerts"},
    "remote_folder": {"remote"},
    "unpacking": set(),
    "unwrapping": set(),
    "prometheus_server": {"alerts", "readers"},
    "readers": {"inputs"},
    "sources": {"strands"},
    "strands": set(),
    "grid": {"sources"},
    "long_grid": {"grid", "stored_steps"},
    "stored_steps": set(),
    "continuing": set(),
    "history": {"continuing", "remote", "remote_folder"},
    "steps_csv": set(),
    "analysis": set(),
    "calibration": set(),
    "coordination": {"calibration"},
    "recommendations": set(),
    "config": set(),
    "objective": set(),
    "figures": {"incident_tally", "objective"},
    "incident_tally": set(),
    "gates": set(),
    "scenario_file": set(),
    "simulation": set(),
    "simulation_summary": {"simulation"},
    "simulation_log": {"simulation"},
    "published": {"simulation"},
    "report": {"figures", "published", "simulation_summary"},
    "schedule": set(),
    "workers": {"alerts"},
}
WIRING = {"commands", "app"}

# Where a library that leaves its mark on all code around it may be met.
LIBRARIES = {
    "duckdb": {"history", "readers"},
    "aiohttp": {"remote"},
    "distributed": {"workers"},
    "filelock": {"history", "schedule"},
    "fsspec": {"remote"},
    "jinja2": {"report", "schedule"},
    "msgspec": {"commands", "config", "history"},
    "platformdirs": {"config", "history"},
    "plotly": {"report"},
    "subprocess": {"alerts", "schedule"},
    "typer": {"app", "commands"},
}

# The library reads no clock and no file and prints nothing.
OUTSIDE_WORLD = {"datetime", "io", "logging", "os", "pathlib", "random", "subprocess", "sys", "tempfile", "time"}


def imports(file):
    """Every module a file imports, by its full name; of `from package import name` both package and package.name."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def modules(package):
    return sorted((ROOT / package).rglob("*.py"))


def room(file):
    """The top-level module or folder of its package that a file belongs to."""
    inside = file.relative_to(ROOT).parts[1:]
    return inside[0].removesuffix(".py")


def rooms_of(names, package):
    """The rooms of `package` among some imported names."""
    parts = {name.split(".")[1] for name in names if name.startswith(f"{package}.")}
    return {part for part in parts if (ROOT / package / part).is_dir() or (ROOT / package / f"{part}.py").is_file()}


def libraries(names):
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("file", modules("entro_engine"), ids=lambda file: file.stem)
def test_the_library_needs_numpy_and_itself_only(file):
    used = libraries(imports(file))
    compiler = {"numba"} if file.stem == "sequential" else set()  # an extra, imported where it pays
    assert used - sys.stdlib_module_names <= {"numpy", "entro_engine"} | compiler
    to_know_what_is_loaded = {"sys"} if file.stem == "sequential" else set()
    assert not used & OUTSIDE_WORLD - to_know_what_is_loaded
    called = {node.func.id for node in ast.walk(ast.parse(file.read_text())) if is_plain_call(node)}
    assert not called & {"print", "open", "input"}


def is_plain_call(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


@pytest.mark.parametrize("file", modules("entro_engine"), ids=lambda file: file.stem)
def test_inside_the_library(file):
    if file.stem == "__init__":
        return
    assert file.stem in ENGINE, f"say in ENGINE what {file.stem} may import"
    assert "entro_engine" not in imports(file), "the package is for its users; inside, name the module"
    assert rooms_of(imports(file), "entro_engine") <= ENGINE[file.stem]


def test_no_law_reaches_the_simulator():
    def reached(module):
        return {module}.union(*(reached(other) for other in ENGINE[module]))

    for law in LAWS:
        assert not reached(law) & {"simulator_v9", "workload", "run"}, law


@pytest.mark.parametrize("file", modules("entro_cli"), ids=lambda file: file.relative_to(ROOT / "entro_cli").as_posix())
def test_rooms_of_the_command_line_share_types_not_each_other(file):
    place = room(file)
    if place in WIRING or place == "__init__":
        return
    used = rooms_of(imports(file), "entro_cli") - {place}
    if place in TOOLS:
        assert used <= TOOLS
    elif place in TYPES:
        assert used <= TOOLS | TYPES
    else:
        assert place in ROOMS, f"say in ROOMS what {place} may import"
        assert used <= TOOLS | TYPES | ROOMS[place]


def test_only_the_entry_point_reaches_the_commands():
    for file in modules("entro_cli"):
        if room(file) not in WIRING:
            assert not rooms_of(imports(file), "entro_cli") & WIRING, file


@pytest.mark.parametrize("library", LIBRARIES)
def test_where_a_library_may_be_met(library):
    met = {room(file) for file in modules("entro_cli") if library in libraries(imports(file))}
    assert met <= LIBRARIES[library]


@pytest.mark.parametrize("table", [ENGINE, ROOMS], ids=["library", "command line"])
def test_the_rules_hold_no_cycle_and_name_what_exists(table):
    assert list(TopologicalSorter(table).static_order())
    package = "entro_engine" if table is ENGINE else "entro_cli"
    assert set(table) == rooms_of([f"{package}.{name}" for name in table], package)


def test_nothing_is_called_utils():
    for package in ("entro_engine", "entro_cli", "tests"):
        names = {part for file in modules(package) for part in file.relative_to(ROOT).with_suffix("").parts}
        assert not names & {"utils", "util", "helpers", "misc", "common"}


@pytest.mark.parametrize("name", ["oracle.py", "log_oracle.py"])
def test_an_oracle_shares_nothing_with_what_it_judges(name):
    assert libraries(imports(ROOT / "tests" / name)) <= {*sys.stdlib_module_names, "tests"}


def test_the_version_is_the_top_entry_of_the_changelog():
    top = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert top is not None
    assert top[1] == entro_engine.__version__


def test_the_package_takes_its_version_from_the_library():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "entro_engine/__init__.py"
