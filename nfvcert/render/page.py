"""What every page and every text for a terminal is made with: templates, one stylesheet, one console."""

from __future__ import annotations

import base64
import functools
import hashlib
import pickle
import re
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import jinja2
from jinja2.bccache import Bucket
from markupsafe import Markup

from nfvcert import environments
from nfvcert.render import words

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "environment", "gantt_style", "graph_style", "render", "scope_style"]

VERDICT_COLOURS = r"\.[a-z-]+ \{ --accent: "
"""Lines of the stylesheet that colour a verdict."""


class _Compiled(jinja2.FileSystemBytecodeCache):
    """Compiled templates, which are three quarters of the time of a report; one that cannot be kept is made anew."""

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except (OSError, EOFError, ValueError, TypeError, pickle.UnpicklingError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def _compiled() -> _Compiled | None:
    """For this module and this version of jinja2: how a template is compiled depends on both."""
    content = Path(__file__).read_bytes() + version("jinja2").encode()
    try:
        place = environments.cache() / "templates" / hashlib.sha256(content).hexdigest()[:12]
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return _Compiled(str(place))


@functools.cache
def environment() -> jinja2.Environment:
    """The templates: everything is escaped, an unknown name is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("nfvcert.render"),
        bytecode_cache=_compiled(),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "conditions": words.conditions,
        "duration": words.duration,
        "interval": words.interval,
        "moment": words.moment,
        "quantity": words.quantity,
        "sentence": words.sentence,
        "slug": lambda text: str(text).lower().replace("_", "-").replace(" ", "-"),
        "verdict_word": lambda verdict: str(verdict).replace("_", " "),
    }
    made.globals |= {"counted": words.counted, "icon": words.ICON}
    return made


def render(template: str, **names: Any) -> str:
    """A page from a template, with the one script that its own policy allows."""
    script = _source("acceptance.js")
    return (
        environment()
        .get_template(template)
        .render(
            **names,
            script=Markup(script),  # noqa: S704 - our own file
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def gantt_style() -> str:
    """The colours of a page and the style of a Gantt picture, for one that stands alone."""
    return f"{_colours()}\nsvg {{ background: var(--ground); }}\n{_source('gantt.css').partition('.key')[0]}"


def graph_style() -> str:
    """Likewise for a picture of components."""
    return f"{_colours()}\n{_source('graph.css')}"


def scope_style() -> str:
    """The same for the picture of a scope, with the colours of what is known."""
    accents = "\n".join(line for line in _source("acceptance.css").splitlines() if re.match(VERDICT_COLOURS, line))
    return f"{_colours()}\nsvg {{ background: var(--ground); }}\n{accents}\n{_source('scope.css')}"


def _colours() -> str:
    return _source("acceptance.css").partition("\n\n")[0]


def console(target: IO[str], *, width: int, colour: bool) -> Console:
    """A rich console that takes nothing from its surroundings: what it writes depends on the arguments only."""
    from rich.console import Console

    return Console(
        file=target,
        width=max(width, 40),
        color_system="standard" if colour else None,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
        _environ={},
    )


@functools.cache
def _source(name: str) -> str:
    loader = environment().loader
    assert loader is not None
    return loader.get_source(environment(), name)[0]
