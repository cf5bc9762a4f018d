"""ENTRO-ENGINE, the library: entropy proxies, the shared budget, the control law, the regime engine and the plant.

Everything in `__all__` is public. The library needs NumPy and the standard library only. It opens no file, reads no
clock and prints nothing.
"""

from entro_engine.allocator import Allocation, ProportionalAllocator
from entro_engine.baselines import Eq14, StaticLimit, Uncontrolled
from entro_engine.budget import BudgetStatus, EntropyBudget, psi_budget
from entro_engine.controller import ControlSignal, ENTROEngineController
from entro_engine.entro_engine_v9 import (
    REST,
    Regime,
    RegimeParameters,
    RegimeState,
    RegimeTrace,
    V9Controller,
    replay,
    step,
)
from entro_engine.entropy import LLM, SCRAPER, Kind, Stage, entropy_proxy, psi_total, shares
from entro_engine.errors import EntroError, ParameterError
from entro_engine.graph import GraphQueue, GraphSource, StageGraph
from entro_engine.graph_simulator import GraphFigures, GraphTrace, graph_figures, simulate_graph
from entro_engine.plant import Controller, Plant, View
from entro_engine.predictive import PredictiveController
from entro_engine.run import Run, replay_loads
from entro_engine.simulator_v9 import (
    ClosedLoop,
    PlantFigures,
    PlantTrace,
    Simulation,
    plant_figures,
    simulate,
    simulate_plant,
)
from entro_engine.sister_systems import AiController, CoreController
from entro_engine.workload import SCENARIOS, Phase, Scenario, Stall, Wave, noisy_demand

__version__ = "0.15.0"

__all__ = [
    "LLM",
    "REST",
    "SCENARIOS",
    "SCRAPER",
    "AiController",
    "Allocation",
    "BudgetStatus",
    "ClosedLoop",
    "ControlSignal",
    "Controller",
    "CoreController",
    "ENTROEngineController",
    "EntroError",
    "EntropyBudget",
    "Eq14",
    "GraphFigures",
    "GraphQueue",
    "GraphSource",
    "GraphTrace",
    "Kind",
    "ParameterError",
    "Phase",
    "Plant",
    "PlantFigures",
    "PlantTrace",
    "PredictiveController",
    "ProportionalAllocator",
    "Regime",
    "RegimeParameters",
    "RegimeState",
    "RegimeTrace",
    "Run",
    "Scenario",
    "Simulation",
    "Stage",
    "StageGraph",
    "Stall",
    "StaticLimit",
    "Uncontrolled",
    "V9Controller",
    "View",
    "Wave",
    "__version__",
    "entropy_proxy",
    "graph_figures",
    "noisy_demand",
    "plant_figures",
    "psi_budget",
    "psi_total",
    "replay",
    "replay_loads",
    "shares",
    "simulate",
    "simulate_graph",
    "simulate_plant",
    "step",
]
