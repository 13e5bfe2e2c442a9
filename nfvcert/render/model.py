"""A test model on a terminal: what it requires of which device, and what it asks for of releases by their size."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from nfvcert.measure.kpi import Kpi
from nfvcert.render import page
from nfvcert.render.words import conditions, plain
from nfvcert.requirements import Requirements
from nfvcert.testmodel import DEPTHS, SIZES, Bound, DepthParameters, Rule, TestModel
from nfvcert.units import each_where

__all__ = ["models", "shown"]

COMPARED = "not_worse_than_baseline_by"
NAMES = {"Always measured", "Model"}
"""Columns of names, which are not broken."""


def models(found: Mapping[Path, TestModel], released: Mapping[str, Mapping[str, str]], *, width: int) -> str:
    """The test models of a folder, a line each."""
    target = io.StringIO()
    console = page.console(target, width=width, colour=False)
    table = _table("Model", "Version", "Domain", "Criteria", "Based on", "Title")
    for path, model in found.items():
        is_released = model.version in released.get(model.model, {})
        table.add_row(
            plain(path.stem),
            f"{model.version}{' (released)' if is_released else ''}",
            model.domain,
            str(sum(1 for rule in model.criteria if rule.state != "removed" for _ in each_where(rule.where))),
            model.based_on or "-",
            plain(model.title),
        )
    console.print(table)
    return target.getvalue()


def shown(
    model: TestModel,
    kpis: Mapping[str, Kpi],
    requirements: Requirements,
    *,
    is_released: bool,
    width: int,
    colour: bool,
) -> str:
    """All that a test model says, as text."""
    target = io.StringIO()
    console = page.console(target, width=width, colour=colour)
    console.print(Text.assemble((f"{model.model} {model.version}", "bold"), plain(f"  {model.title}")))
    console.print(f"domain {model.domain}, {'released: immutable' if is_released else 'not released: it may change'}")
    if model.based_on:
        console.print(f"an overlay of {model.based_on}")
    console.print(f"an accepted part counts for {model.part_valid_days} days")
    if any(getattr(rule, COMPARED) is not None for rule in model.criteria):
        console.print(f"a baseline is the median of the last {model.baseline_records} accepted records")
    console.print()
    for profile, title in model.profiles.items():
        console.print(Text(plain(f"{profile}: {title}")))
    for table in (_sizes(model), _always(model), _depths(model), _criteria(model, kpis, requirements)):
        console.print()
        console.print(table)
    return target.getvalue()


def _sizes(model: TestModel) -> Table:
    table = _table("Release", "Steps", "Depth if minor", "Depth if major", "Untested components at most")
    for size in SIZES:
        rules = model.rules_for(size)
        depths = [rules.depth_for(each) or "as it is" for each in ("minor", "major")]
        table.add_row(size, str(rules.radius), *depths, str(rules.untested_at_most))
    return table


def _always(model: TestModel) -> Table:
    """What is measured whatever changed, by size of the release."""
    table = _table("Always measured", *SIZES)
    rules = [model.rules_for(size) for size in SIZES]
    for kpi in dict.fromkeys(kpi for each in rules for kpi in (*each.mandatory, *each.integration)):
        table.add_row(
            kpi,
            *(
                "always" if kpi in each.mandatory else "on certified parts" if kpi in each.integration else "-"
                for each in rules
            ),
        )
    return table


def _depths(model: TestModel) -> Table:
    defined = [depth for depth in DEPTHS if depth in model.depths]
    table = _table("Parameter", "without a release", *defined)
    for name in DepthParameters.model_fields:
        values = [getattr(model.parameters, name), *(getattr(model.parameters_at(each), name) for each in defined)]
        if len(set(values)) > 1:
            table.add_row(name, *(f"{value:g}" for value in values))
    return table


def _criteria(model: TestModel, kpis: Mapping[str, Kpi], requirements: Requirements) -> Table:
    table = _table("Criterion", "Required", "State", "Requirements")
    table.columns[0].min_width = max(len(rule.kpi) for rule in model.criteria)
    for rule in model.criteria:
        for where in each_where(rule.where):
            told = f"{rule.kpi}\n{kpis[rule.kpi].title if rule.kpi in kpis else ''}"
            asked = conditions(where)
            table.add_row(
                plain(f"{told}{f', {asked}' if asked else ''}"),
                "\n".join(
                    f"{sign} {line}"
                    for side, sign in (("at_least", "≥"), ("at_most", "≤"), (COMPARED, "not worse than baseline by"))
                    for line in _bound(getattr(rule, side))
                ),
                _state(rule),
                "\n".join(requirements.of(rule.kpi)) or "-",
            )
    return table


def _bound(bound: Bound | None) -> list[str]:
    if bound is None:
        return []
    if isinstance(bound, dict):
        return [f"{value} ({profile})" for profile, value in bound.items()]
    return [str(bound)]


def _state(rule: Rule) -> str:
    told = [rule.state if rule.removed_in is None else f"removed in {rule.removed_in}"]
    if rule.state in ("required", "deprecated") and len(rule.required_for) < len(SIZES):
        told.append(f"for {', '.join(rule.required_for)}")
    if rule.applies_to:
        told.append(f"{rule.applies_to} devices" if rule.applies_to in ("l2", "l3") else f"with a {rule.applies_to}")
    return "\n".join(told)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in NAMES)
    return table
