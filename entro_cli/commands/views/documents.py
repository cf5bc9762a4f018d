"""The JSON documents that entro prints, and their JSON Schemas, generated from the structs behind them."""

from __future__ import annotations

import re
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, get_type_hints

import msgspec

from entro_cli.analysis.incidents import Incident, Incidents
from entro_cli.analysis.results import (
    Calibration,
    Coordination,
    Figures,
    FullLoads,
    IngestSummary,
    Recommendation,
    Source,
    StageFigures,
)
from entro_cli.analysis.simulation.graph.results import GraphFacts, GraphRunFigures, QueueFigures, SourceFigures
from entro_cli.analysis.simulation.parameters import Noise
from entro_cli.analysis.simulation.results import ArenaSeeds, RunFigures, ScenarioFacts, Spread
from entro_cli.analysis.tuning import Tuning
from entro_cli.automation.alerts.alert import Alert
from entro_cli.automation.schedule.job import InstalledJob
from entro_cli.history.inventory import CheckResult, PipelineContents, PipelineInventory, PruneResult
from entro_cli.history.repair import RepairResult
from entro_cli.live.status import Status
from entro_cli.report.daily_report import PeriodName, Summary
from entro_cli.report.fleet import Fleet
from entro_cli.report.verdict import Verdict

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = {"anyOf": [{"type": "number"}, {"enum": ["Infinity", "-Infinity"]}, {"type": "null"}]}
"""A float. JSON has no infinities, which are text, and no NaN, which is null."""


def _record(title: str, /, *parts: type, **more: Any) -> Any:
    """Return a type with the fields of some structs and more fields, which replace those of the same name."""
    hints = {key: hint for part in parts for key, hint in get_type_hints(part, include_extras=True).items()}
    return TypedDict(title, hints | more)  # type: ignore[operator]


def _either(title: str, /, *parts: type, **more: Any) -> Any:
    """Return a type with the fields of one of several structs: those that not all of them have may be missing."""
    hints = [get_type_hints(part) for part in parts]
    names = dict.fromkeys(name for each in hints for name in each)
    fields = {
        name: kinds[0] if len(kinds) == len(parts) else NotRequired[kinds[0]]
        for name in names
        if (kinds := [each[name] for each in hints if name in each])
    }
    return TypedDict(title, fields | more)  # type: ignore[operator]


def _list(kind: Any) -> Any:
    return list[kind]


def _by_name(kind: Any) -> Any:
    return dict[str, kind]


def _nullable(part: type) -> dict[str, Any]:
    return {key: hint | None for key, hint in get_type_hints(part).items()}


def _pipelines(entry: Any, **more: Any) -> dict[str, Any]:
    return {**more, "pipelines": _list(entry)}


_COMPARED = _record("ComparedReport", pipeline=str, period=PeriodName, verdict=Verdict, figures=Figures)
_STAGE = _record("AnalyzedStage", StageFigures, summed_sources=int)
_VALUE = _record("ConfigValue", value=Any, origin=str)
_SAMPLE = _record("FirstSample", start=str, end=str | None, value=float)
_CANDIDATE = _record("FormatCandidate", format=str, confidence=float, reason=str)
_READ_STAGE = _record(
    "ReadStage",
    **dict.fromkeys(("name", "kind", "measure", "start", "end"), str),
    column=str | None,
    samples=int,
    first=_list(_SAMPLE),
)
_EXPLAINED = _record(
    "ExplainedLog",
    path=str,
    format=str | None,
    candidates=_list(_CANDIDATE),
    identity=dict[str, str],
    error=str | None,
    lines=list[str],
    zone=str | None,
    rows_read=int,
    rows_skipped=int,
    bad_rows=list[str],
    problems=list[str],
    columns=list[str],
    stages=_list(_READ_STAGE),
)
_FORMAT = _record("KnownFormat", **{"name": str, "is": str, "gives": str})
_EXPORT = {
    **dict.fromkeys(("pipeline", "file", "format"), str),
    **dict.fromkeys(("start", "end"), str | None),
    **{"step_s": float, "steps": int, "stages": list[str]},
}
_ANALYSIS = {
    **{"pipeline": str, "stages": _list(_STAGE), "full_loads": FullLoads, "coordination": Coordination},
    **{"recommendations": list[Recommendation], "rows_read": int, "rows_skipped": int, "sources": list[Source]},
}
_SIMULATED_STAGE = _either("SimulatedStage", SourceFigures, QueueFigures)
_RUN = _either(
    *("SimulatedRun", RunFigures, GraphRunFigures),
    **{"range": NotRequired[dict[str, Spread]], "stages": NotRequired[_list(_SIMULATED_STAGE)]},
)
_SIMULATION = {
    **{"scenario": _either("SimulatedScenario", ScenarioFacts, GraphFacts), "runs": _list(_RUN)},
    **{"noise": NotRequired[Noise], "seeds": NotRequired[ArenaSeeds]},
}

SHAPES: dict[str, tuple[tuple[type, ...], dict[str, Any]]] = {
    "alert": ((Alert,), {}),
    "analysis": ((Figures,), _ANALYSIS),
    "calibration": ((Calibration,), {"written": str | None}),
    "comparison": ((), {"first": _COMPARED, "second": _COMPARED}),
    "config": ((), {"file": str | None, "pipeline": str, "pipelines": list[str], "values": _by_name(_VALUE)}),
    "explanation": ((), {"logs": _list(_EXPLAINED)}),
    "fleet": ((Fleet,), {}),
    "formats": ((), {"formats": _list(_FORMAT), "unpacked": list[str]}),
    "history-check": ((), _pipelines(CheckResult)),
    "history-export": ((), _EXPORT),
    "history-list": ((), _pipelines(PipelineInventory)),
    "history-prune": ((), _pipelines(PruneResult, before=str, dry_run=bool)),
    "history-repair": ((), _pipelines(RepairResult)),
    "history-show": ((PipelineContents,), {}),
    "ingest": ((), _pipelines(_record("IngestedPipeline", IngestSummary, pipeline=str))),
    "report": ((Summary,), {}),
    "schedule": ((), {"jobs": list[InstalledJob]}),
    "simulation": ((), _SIMULATION),
    "tuning": ((Tuning,), {"written": str | None}),
    "watch": ((), _nullable(Status) | {"problems": list[str]}),
}
"""By the name in `entro/NAME/1`, the structs whose fields a document has, and its other fields."""


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a document; objects may have more keys, as documents only grow.

    Args:
        name: a key of `SHAPES`.
    """
    parts, more = SHAPES[name]
    identifier = f"entro/{name}/1"
    whole, components = _schema_of(_record(f"entro-{name}", *parts, **more | {"schema": Literal[identifier]}))
    if any("#/$defs/Incident" in str(part) for part in (whole, components)):
        incident, more_components = _schema_of(Incident)
        components |= more_components | {"Incident": incident}
    described = {key: _described(value) for key, value in sorted(components.items())}
    head = {"$schema": _DIALECT, "$id": f"urn:entro:{name}:1"}
    found: dict[str, Any] = _with_floats(head | _described(whole) | {"title": identifier, "$defs": described})
    return found


def _schema_of(kind: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of a type, and those of the types in it by name."""
    (top,), components = msgspec.json.schema_components([kind], schema_hook=_custom, ref_template="#/$defs/{name}")
    return components.pop(top["$ref"].rpartition("/")[2]), components


def _custom(kind: type) -> dict[str, Any]:
    if kind is Incidents:
        return {"type": "array", "items": {"$ref": "#/$defs/Incident"}}
    if kind is Path:
        return {"type": "string"}
    raise NotImplementedError(kind)


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a struct with the attributes of its docstring as the descriptions of its properties."""
    head, _, attributes = cleandoc(schema.get("description", "")).partition("\nAttributes:\n")
    texts = dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE))
    properties = {
        name: value | ({"description": " ".join(texts[name].split())} if name in texts else {})
        for name, value in schema.get("properties", {}).items()
    }
    described = schema | ({"properties": properties} if properties else {})
    return described | ({"description": " ".join(head.split())} if head else {})


def _with_floats(schema: Any) -> Any:
    if schema == {"type": "number"}:
        return _NUMBER
    if isinstance(schema, dict):
        described = {name: part for name, part in schema.items() if name == "description"}
        if schema.keys() == {"type", "description"} and schema["type"] == "number":
            return _NUMBER | described
        return {name: _with_floats(part) for name, part in schema.items()}
    return [_with_floats(part) for part in schema] if isinstance(schema, list) else schema
