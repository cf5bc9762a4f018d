"""The shape of the code, read with `ast`. The layers of `entro_cli` are held by import-linter in `make lint`."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import entro_engine
from entro_cli.commands.cli import COMMANDS, PARTS

ROOT = Path(__file__).parents[1]

# The library. A law knows neither the plant it is tried in nor the scenarios.
ENGINE = {
    "errors": set(),
    "elementwise": set(),
    "sequential": set(),
    "entropy": {"errors"},
    "budget": {"entropy", "errors"},
    "controller": {"elementwise", "errors"},
    "allocator": {"budget", "controller", "errors"},
    "plant": {"controller", "elementwise", "entropy", "errors"},
    "baselines": {"controller", "errors", "plant"},
    "entro_engine_v9": {"controller", "elementwise", "entropy", "errors", "plant", "sequential"},
    "predictive": {"controller", "entro_engine_v9", "plant"},
    "sister_systems": {"plant"},
    "early_warning": {"entropy"},
    "run": {"budget", "entro_engine_v9", "entropy", "errors"},
    "fair_shares": set(),
    "waits": {"entropy"},
    "graph": {"entropy", "errors", "plant"},
    "graph_simulator": {"entro_engine_v9", "entropy", "errors", "fair_shares", "graph", "plant"},
    "log_plant": {"controller", "entro_engine_v9", "entropy", "errors", "plant", "sequential"},
    "workload": {"entropy", "errors", "plant"},
    "arena": {"entropy", "plant"},
    "simulator_v9": {"elementwise", "entro_engine_v9", "entropy", "errors", "plant", "run", "waits", "workload"},
}
LAWS = {
    "budget",
    "allocator",
    "controller",
    "baselines",
    "entro_engine_v9",
    "predictive",
    "sister_systems",
    "early_warning",
}

MOST_MODULES = {"commands": 20}  # one module per command; 14 in every other package
LONGEST_CHAIN = 24  # modules; the library counts as one
MOST_LINES_OF_A_COMMAND = 120  # in function bodies
MOST_MODULES_ENTERED = 87
ENTERED = """
import sys, threading
root, arguments = sys.argv[1], sys.argv[2:]
entered = set()

def note(frame, event, argument):
    code, caller = frame.f_code, frame.f_back
    is_function = code.co_flags & 2 and not (caller is not None and caller.f_code.co_name == "<module>")
    if event == "call" and is_function and code.co_filename.startswith(root + "/entro_"):
        entered.add(code.co_filename)

sys.setprofile(note)
threading.setprofile(note)
from entro_cli.app import _guarded
assert _guarded(arguments) == 0
sys.setprofile(None)
print(*sorted(entered), file=sys.stderr)
"""
NOT_COMMANDS = {"__init__", "cli", "completion", "help", "options"}

# Where a library that leaves its mark on all code around it may be met.
LIBRARIES = {
    "duckdb": {"core", "history", "readers"},
    "aiohttp": {"core", "live"},
    "distributed": {"core"},
    "filelock": {"automation", "history"},
    "fsspec": {"core"},
    "jinja2": {"automation", "report"},
    "platformdirs": {"automation", "config", "history"},
    "plotly": {"report"},
    "pytest": {"testing"},
    "tomlkit": {"config"},
    "subprocess": {"automation", "report"},
    "typer": {"app", "commands"},
}

# The library reads no clock and no file and prints nothing.
OUTSIDE_WORLD = {"datetime", "io", "logging", "os", "pathlib", "random", "subprocess", "sys", "tempfile", "time"}


@cache
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


def packages(package):
    return sorted({file.parent.relative_to(ROOT) for file in modules(package)})


def import_graph():
    """The modules that each module imports, lazy imports included; the library is one node."""
    files = {module_name(file): file for package in ("entro_cli", "entro_engine") for file in modules(package)}
    entered = {name: {name_entered(one, files) for one in imported_names(file)} for name, file in files.items()}
    entered["entro_cli.commands.cli"] |= {f"entro_cli.commands.{name}" for name in COMMANDS}  # only the one called
    return {name: used - {name, None} for name, used in entered.items() if not name.startswith("entro_engine")}


def module_name(file):
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imported_names(file):
    """By its full name all that a file imports: `package.module` or `package.module.name`."""
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def name_entered(name, files):
    """The module that an import enters; None for another package's."""
    if name.startswith("entro_engine"):
        return "entro_engine"
    return name if name in files else name.rpartition(".")[0] if name.rpartition(".")[0] in files else None


def length_of_chain(graph, module, known):
    if module not in known:
        known[module] = 1 + max((length_of_chain(graph, other, known) for other in graph.get(module, ())), default=0)
    return known[module]


def libraries(names):
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("file", modules("entro_engine"), ids=lambda file: file.stem)
def test_the_library_needs_numpy_and_itself_only(file):
    used = libraries(imports(file))
    compiler = {"numba"} if file.stem == "sequential" else set()  # an extra, imported where it pays
    assert used - sys.stdlib_module_names <= {"numpy", "entro_engine"} | compiler
    # The loops look at what is loaded, and the arena draws from seeds alone.
    excepted = {"sequential": {"sys"}, "arena": {"random"}}.get(file.stem, set())
    assert not used & OUTSIDE_WORLD - excepted
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


def test_no_module_lies_loose():
    loose = {file.name for file in (ROOT / "entro_cli").glob("*.py")}
    assert loose <= {"app.py", "api.py", "__init__.py", "__main__.py"}


@pytest.mark.parametrize("folder", packages("entro_cli"), ids=str)
def test_a_package_holds_few_modules(folder):
    held = [file for file in (ROOT / folder).glob("*.py") if file.stem != "__init__"]
    assert len(held) <= MOST_MODULES.get(folder.name, 14)


def test_no_two_public_classes_share_a_name():
    places = defaultdict(list)
    for package in ("entro_engine", "entro_cli"):
        for file in modules(package):
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(file.relative_to(ROOT).as_posix())
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_no_two_aliases_of_options_share_a_name():
    places = defaultdict(list)
    for file in modules("entro_cli/commands"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Annotated["):
                places[node.targets[0].id].append(file.stem)
    assert len(places) > 30
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_the_longest_import_chain():
    graph = import_graph()
    assert max(length_of_chain(graph, module, {}) for module in graph) <= LONGEST_CHAIN


@pytest.mark.slow
def test_how_many_modules_a_table_enters_on_its_way_to_the_weekly_page(tmp_path):
    """A module is entered if one of its functions runs, other than while it is imported."""
    log = ROOT / "sample_logs" / "five-weeks.csv"
    command = ["report", "--weekly", "--logs", str(log), "--tz", "Europe/Berlin", "--out", str(tmp_path)]
    # entro reads every ENTRO_ variable; CI sets one for its tests.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENTRO_")}
    run = [sys.executable, "-c", ENTERED, str(ROOT), *command]
    ended = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert len(ended.stderr.splitlines()[-1].split()) <= MOST_MODULES_ENTERED


@pytest.mark.parametrize("file", sorted((ROOT / "entro_cli" / "commands").glob("*.py")), ids=lambda file: file.stem)
def test_commands_are_thin(file):
    tree = ast.parse(file.read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert sum(node.end_lineno - node.body[0].lineno + 1 for node in functions) <= MOST_LINES_OF_A_COMMAND


def test_every_public_function_of_a_command_is_registered():
    folder = ROOT / "entro_cli" / "commands"
    registered = {f"{name}.{function}" for name in COMMANDS for function in PARTS.get(name, {"": name}).values()}
    for file in sorted(folder.glob("*.py")):
        functions = [node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
        public = {f"{file.stem}.{name}" for name in functions if not name.startswith("_")}
        assert file.stem in NOT_COMMANDS or public, f"{file.stem} is no command"
        assert file.stem in NOT_COMMANDS or public <= registered


@pytest.mark.parametrize("library", LIBRARIES)
def test_where_a_library_may_be_met(library):
    met = {room(file) for file in modules("entro_cli") if library in libraries(imports(file))}
    assert met <= LIBRARIES[library]


def test_where_msgspec_converts_values():
    """The classes of all packages are its structs. Few packages read or write values with it."""
    met = {room(file) for file in modules("entro_cli") if "import msgspec\n" in file.read_text()}
    assert met <= {"api", "commands", "config", "core", "history", "live", "readers"}


def test_the_rules_hold_no_cycle_and_name_what_exists():
    assert list(TopologicalSorter(ENGINE).static_order())
    assert set(ENGINE) == rooms_of([f"entro_engine.{name}" for name in ENGINE], "entro_engine")


def test_nothing_is_called_utils():
    for package in ("entro_engine", "entro_cli", "tests"):
        names = {part for file in modules(package) for part in file.relative_to(ROOT).with_suffix("").parts}
        assert not names & {"utils", "util", "helpers", "misc", "common"}


@pytest.mark.parametrize("name", ["oracle.py", "log_oracle.py", "graph_oracle.py"])
def test_an_oracle_shares_nothing_with_what_it_judges(name):
    assert libraries(imports(ROOT / "tests" / name)) <= {*sys.stdlib_module_names, "tests"}


def test_the_version_is_the_top_entry_of_the_changelog():
    top = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert top is not None
    assert top[1] == entro_engine.__version__


def test_the_changelog_lists_each_kind_of_change_once():
    """Parts that land one by one add headings of their own, and a merge may repeat a part."""
    for version in re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE):
        headings = re.findall(r"^### (.*)", version, re.MULTILINE)
        assert len(headings) == len(set(headings)), version[:10]


def test_the_package_takes_its_version_from_the_library():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "entro_engine/__init__.py"
