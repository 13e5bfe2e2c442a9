"""The docstrings below the fields of a model, for its JSON Schema. Pure."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap

from pydantic import BaseModel

__all__ = ["of_fields"]


def of_fields(model: type[BaseModel]) -> dict[str, str]:
    """Field → the docstring below it in the source, of a model and of those that it grew from."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(definition, ast.ClassDef)
        for field, below in itertools.pairwise(definition.body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = inspect.cleandoc(text)
    return {name: text for name, text in found.items() if name in model.model_fields}
