"""The KPI catalogue as a Markdown page: `python -m nfvcert.render.kpi_page > docs/kpis.md` in the project's folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from nfvcert.errors import NfvcertError
from nfvcert.measure.kpi import Kpi
from nfvcert.testmodel_files import read_kpis

__all__ = ["main", "page"]

INTRODUCTION = """\
<!-- Made from testmodels/kpis.yaml by: python -m nfvcert.render.kpi_page > docs/kpis.md -->

# KPI catalogue

What a test model can require: {count} KPIs. The catalogue is [testmodels/kpis.yaml](../testmodels/kpis.yaml);
after a change of it, make this page anew:

```sh
python -m nfvcert.render.kpi_page > docs/kpis.md
```

- **Bounds are not here.** A bound is a decision of the group and is written in a test model, with its own source.
  Many of these KPIs have no public threshold, and of the public ones many are examples or indicative by their
  authors' own words: take yours from a baseline of your labs.
- **Not every KPI is measured by a suite yet.** A test model may require any of them; one that was not measured is
  NOT_RUN, and its stream is not accepted.
- **Unit** is that of the record. In a test model bounds are written as people write them: `0.60 Mpps`, `5 %` for a
  ratio, `500 us`, `1.5 kIOPS`, and bare numbers for counts and scores.
- **Better** says in which direction the KPI is good; `neither` is a fact that only a profile can judge.
"""
DOMAINS = {"vim": "VIM", "vnf": "VNF"}
"""Domain → its heading, where that is more than a capital letter."""


def page(kpis: Mapping[str, Kpi]) -> str:
    """The catalogue (name → KPI) in Markdown, with a last newline: a table a domain, in the catalogue's order."""
    parts = [INTRODUCTION.format(count=len(kpis))]
    for domain, names in groupby(kpis, key=lambda name: name.partition(".")[0]):
        rows = [_row(name, kpis[name]) for name in names]
        head = [
            f"## {DOMAINS.get(domain, domain.capitalize())}",
            "",
            "| Name | KPI | Unit | Better | Method | Source |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        parts.append("\n".join([*head, *rows]) + "\n")
    return "\n".join(parts)


def _row(name: str, kpi: Kpi) -> str:
    told = f"**{_cell(kpi.title)}**: {_cell(kpi.definition)}"
    cells = [f"`{name}`", told, f"`{kpi.unit}`", kpi.better, _cell(kpi.method), _cell(kpi.source)]
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text that neither ends a cell, nor a row, nor becomes markup."""
    for sign in ("\\", "|", "*", "_", "`", "<"):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def main() -> int:
    """Print the page of the catalogue in ./testmodels; returns the exit status."""
    try:
        text = page(read_kpis(Path("testmodels")))
    except NfvcertError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
