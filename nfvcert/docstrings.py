"""JSON Schemas whose keys are described by the docstrings below the fields of the models.

Pydantic does so by itself where a model asks for it, and then parses the sources at each start.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import sys
from collections.abc import Mapping

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

__all__ = ["Described"]


class Described(GenerateJsonSchema):
    """The ``schema_generator`` for it."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """As it is, with descriptions."""
        made = super().model_schema(schema)
        model, properties = schema["cls"], made.get("properties", {})
        for name, docstring in _of_fields(model).items():
            key = model.model_fields[name].alias or name
            if key in properties:
                properties[key].setdefault("description", docstring)
        return made


def _of_fields(model: type[BaseModel]) -> Mapping[str, str]:
    """Field → the docstring below it, of a model and of those that it grew from."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        found |= _of_module(each.__module__).get(each.__name__, {})
    return {name: text for name, text in found.items() if name in model.model_fields}


@functools.cache
def _of_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """Class of a module → field → docstring."""
    found: dict[str, dict[str, str]] = {}
    for definition in ast.walk(ast.parse(inspect.getsource(sys.modules[name]))):
        if isinstance(definition, ast.ClassDef):
            fields = found.setdefault(definition.name, {})
            for field, below in itertools.pairwise(definition.body):
                match field, below:
                    case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=str(text))):
                        fields[key] = inspect.cleandoc(text)
    return found
