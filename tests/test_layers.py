"""Imports go one way, also those inside functions and under TYPE_CHECKING; public names are documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "nfvcert"

# Lowest first. A module imports from its own layer or from below, never from above.
LAYERS = (
    ("words", {"errors", "parts"}),
    (
        "facts",
        {
            *("lab", "versions", "release", "campaign", "protocols", "measure.kpi", "measure.stats", "measure"),
            *("measure.screening", "measure.change_points", "measure.histogram"),
            *("testmodel", "catalogue", "waivers"),
        },
    ),
    (
        "flow",
        {
            *("measure.trial", "measure.patience", "measure.throughput", "judge", "record", "streams", "units"),
            *("claims", "schedule", "status", "testcase", "scope", "sizing", "composition"),
            *("presence", "fingerprint", "gathering", "measure.outage", "measure.host"),
            *("measure.steady_state", "measure.sequential", "measure.fio", "measure.durability"),
            *("overlays", "requirements", "life_cycle", "impact", "joint", "foreign", "history"),
        },
    ),
    (
        "edges",
        {
            *(
                "document",
                "docstrings",
                "mistakes",
                "files",
                "testmodel_files",
                "campaign_files",
                "catalogue_files",
                "pharos",
            ),
            *("waiver_files", "model_releases", "history_files"),
            *("release_files", "composition_files", "sbom", "release_diff", "release_draft"),
            *("archive", "drivers", "embedded", "leases", "render", "environments", "engines"),
        },
    ),
    ("access", {"access", "facts"}),
    (
        "run",
        {
            *("recorder", "outcome", "open_stream", "provenance", "inputs", "planning", "collected", "console", "run"),
            *("collecting", "attempts", "holding", "workers", "controller", "one_by_one", "resume", "certification"),
        },
    ),
    ("front", {"plugin", "commands", "cli", "suite", ""}),
)
PURE_LAYERS = {"words", "facts", "flow"}
PURE_LIBRARIES = {"pydantic", "nfvcert", "MLRsearch", "pint", "packaging", "univers", "numpy", "scipy"}
"""MLRsearch is the search, pint does the arithmetic of units, packaging and univers that of versions, numpy and scipy
that of samples; none does IO."""


def modules() -> dict[str, Path]:
    """Dotted name below nfvcert → file."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if "plugins" in path.parts:  # of OpenStack's services, in an environment of their own
            continue
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def layer_of(module: str) -> int:
    """The most specific entry of LAYERS that names the module or a package above it."""
    name = module
    while True:
        for index, (_, members) in enumerate(LAYERS):
            if name in members:
                return index
        if not name:
            raise LookupError(f"nfvcert.{module} is in no layer: add it to LAYERS")
        name = name.rpartition(".")[0]
        if not name:
            raise LookupError(f"nfvcert.{module} is in no layer: add it to LAYERS")


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, wherever the statement stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & KNOWN
            found |= submodules if len(submodules) == len(node.names) else submodules | {node.module}
    return found


KNOWN = {f"nfvcert.{name}".rstrip(".") for name in modules()}


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_point_downwards(module: str) -> None:
    here = layer_of(module)
    for imported in imports_of(modules()[module]):
        if imported == "nfvcert" or not imported.startswith("nfvcert."):
            continue
        there = layer_of(imported.removeprefix("nfvcert."))
        assert there <= here, f"nfvcert.{module} ({LAYERS[here][0]}) imports {imported} ({LAYERS[there][0]})"


def test_no_two_modules_import_each_other() -> None:
    graph = {f"nfvcert.{name}".rstrip("."): imports_of(path) & KNOWN for name, path in modules().items()}
    mutual = {
        tuple(sorted((here, there)))
        for here, imported in graph.items()
        for there in imported
        if here != there and here in graph.get(there, set()) and not here.startswith(f"{there}.")
    }
    assert not mutual


@pytest.mark.parametrize("module", sorted(name for name in modules() if LAYERS[layer_of(name)][0] in PURE_LAYERS))
def test_the_flow_is_pure(module: str) -> None:
    stdlib = {"sys"} | set(__import__("sys").stdlib_module_names)
    tops = {name.partition(".")[0] for name in imports_of(modules()[module])}
    assert tops <= stdlib | PURE_LIBRARIES
    does_io = {"socket", "subprocess", "os", "shutil", "tempfile", "urllib", "http", "pathlib"}
    allowed = {"pathlib"} if module == "errors" else set()  # an error names a path, and opens none
    assert not (tops & does_io) - allowed


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not {"utils", "util", "common", "helpers", "helper", "misc"} & {
        part for name in modules() for part in name.split(".")
    }


@pytest.mark.parametrize("module", sorted(modules()))
def test_public_names_exist_and_are_documented(module: str) -> None:
    loaded = importlib.import_module(f"nfvcert.{module}".rstrip("."))
    assert loaded.__doc__, f"nfvcert.{module} has no docstring"
    assert len(loaded.__doc__) > 20, f"nfvcert.{module}: its docstring says nothing"
    for name in getattr(loaded, "__all__", ()):
        thing = getattr(loaded, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            doc = inspect.getdoc(thing)
            assert doc, f"nfvcert.{module}.{name} has no docstring"
            assert not doc.startswith(f"{name}("), f"nfvcert.{module}.{name}: the docstring is dataclass's own"


def test_suites_use_public_names_only() -> None:
    for path in (PACKAGE.parent / "suites").rglob("*.py"):
        ours = {name for name in imports_of(path) if name.partition(".")[0] == "nfvcert"}
        assert ours <= {"nfvcert.suite"}, path


def test_a_start_imports_nothing_that_is_not_used_yet() -> None:
    """Else whoever lists the tests waits for what measures, computes and connects: it is imported where it is used."""
    named = "import sys, nfvcert.certification, nfvcert.suite; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", named], capture_output=True, text=True, check=True).stdout.split()
    assert {"nfvcert", "pydantic"} <= set(loaded)
    assert not {"MLRsearch", "jinja2", "keystoneauth1", "numpy", "openstack", "paramiko", "pint", "pyroute2"} & set(
        loaded
    )
    assert not {"requests", "rich", "ruamel", "scipy", "sushy", "yaml", "zmq"} & set(loaded)


def test_the_plugin_alone_loads_only_pytest() -> None:
    top_level = ast.parse((PACKAGE / "plugin.py").read_text()).body
    imported = {ast.unparse(node) for node in top_level if isinstance(node, ast.Import | ast.ImportFrom)}
    assert imported == {"from __future__ import annotations", "import pytest"}
