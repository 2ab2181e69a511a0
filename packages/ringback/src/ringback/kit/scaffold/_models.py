"""models.py: the types of a document's events and answers, made by a generator and looked through."""

import ast
import hashlib
import re
import warnings
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter
from pydantic_core import SchemaError

from ringback._errors import RingbackError
from ringback._openapi.references import look_up, references_in, rewrite
from ringback._openapi.schemas import Schema
from ringback.kit.scaffold._names import class_name, one_line

__all__ = ["ModelSet", "is_untouched"]

# All else, such as the generator's own extensions, could name what it imports or how it writes.
_KEYWORDS: Final = frozenset(
    {"type", "properties", "required", "items", "prefixItems", "enum", "const", "anyOf", "oneOf", "allOf"}
    | {"$ref", "additionalProperties", "format", "pattern", "minLength", "maxLength", "minimum", "maximum"}
    | {"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "description", "default"}
)
_FORMATS: Final = frozenset({"date-time", "date", "uuid"})
_MODULES: Final = frozenset(
    {"__future__", "datetime", "decimal", "enum", "pydantic", "typing", "typing_extensions", "uuid"}
)
_CALLS: Final = frozenset({"ConfigDict", "Field", "TypeAliasType"})
_STATEMENTS: Final = (ast.ClassDef, ast.AnnAssign, ast.Assign, ast.Expr, ast.Pass)
_DOES_SOMETHING: Final = (ast.Call, ast.Lambda, ast.Await, ast.Yield, ast.NamedExpr, ast.comprehension)
_HEAD = '"""The types of the document. `ringback scaffold` makes this file again: do not change it."""\n'
_MARK: Final = re.compile(r"\A# checksum ([0-9a-f]{16})\n")


class ModelSet:
    """Collects schemas and gives each the name of its class; `write` makes the module of all of them."""

    def __init__(self) -> None:
        self._schemas: dict[str, Any] = {}
        self._names: dict[tuple[str, str], str] = {}

    def add(self, schema: Schema, name: str) -> str:
        """The class for a schema: that of the component it refers to, or a new one of this name."""
        text = schema.text
        if isinstance(text.get("$ref"), str) and not set(text) - {"$ref", "components"}:
            return self._of_reference(text, text["$ref"])
        made = class_name(name, self._schemas)
        self._schemas[made] = None  # taken, before its references choose theirs
        self._schemas[made] = self._cleaned(text, {key: v for key, v in text.items() if key != "components"})
        return made

    def write(self) -> str:
        """The module's text; raises `RingbackError` where a schema cannot be made into types."""
        body = _generate(self._schemas) if self._schemas else ""
        missing = [
            name for name in self._schemas if not re.search(rf"^(class )?{name}\b", body, re.MULTILINE)
        ]
        if missing:
            raise RingbackError(
                f"No type could be made of the schema {missing[0]}. Simplify it, or leave its callback out."
            )
        _look_through(body)
        text = f"{_HEAD}\n{body.strip()}\n" if body else _HEAD
        return f"# checksum {_checksum(text)}\n{text}"

    def _of_reference(self, root: Mapping[str, Any], reference: str) -> str:
        target = look_up(root, reference)
        key = (reference, repr(target))
        if key not in self._names:
            name = self._names[key] = class_name(reference.rpartition("/")[2], self._schemas)
            self._schemas[name] = None
            self._schemas[name] = self._cleaned(root, target)
        return self._names[key]

    def _cleaned(self, root: Mapping[str, Any], schema: Any) -> Any:
        # In order of mention, not in the order of a rewrite, so that names do not depend on depth.
        for reference in references_in(schema):
            self._of_reference(root, reference)

        def change(part: dict[str, Any]) -> dict[str, Any]:
            kept = {word: value for word, value in part.items() if word in _KEYWORDS}
            if isinstance(kept.get("$ref"), str):
                kept["$ref"] = f"#/components/schemas/{self._of_reference(root, kept['$ref'])}"
            if "description" in kept:
                kept["description"] = one_line(kept["description"])
            if kept.get("format") not in _FORMATS:
                kept.pop("format", None)
            if not isinstance(kept.get("default"), bool | int | float | str):
                kept.pop("default", None)
            if "pattern" in kept and not _is_readable(kept["pattern"]):
                del kept["pattern"]
            return kept

        return rewrite(schema, change)


def is_untouched(text: str) -> bool:
    """Whether a file is as `ModelSet.write` left it."""
    mark = _MARK.match(text)
    return mark is not None and mark.group(1) == _checksum(text[mark.end() :])


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_readable(pattern: str) -> bool:
    """Whether Pydantic's engine knows all of a pattern: else the module could not even be imported."""
    try:
        TypeAdapter(Annotated[str, Field(pattern=pattern)])
    except SchemaError:
        return False
    return True


def _generate(schemas: Mapping[str, Any]) -> str:
    try:
        from datamodel_code_generator import InputFileType, LiteralType, PythonVersion, generate
        from datamodel_code_generator.enums import DataModelType
        from datamodel_code_generator.format import DatetimeClassType, Formatter
    except ImportError:
        raise RingbackError(
            "`ringback scaffold` makes types with datamodel-code-generator, which is not installed. Install "
            "the extra that holds it: pip install 'ringback[kit]'."
        ) from None
    document = {
        "openapi": "3.1.0",
        "info": {"title": "callbacks", "version": "1"},
        "paths": {},
        "components": {"schemas": dict(schemas)},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its own options, which nobody here has chosen
        text = generate(
            document,
            input_file_type=InputFileType.OpenAPI,
            output_model_type=DataModelType.PydanticV2BaseModel,
            target_python_version=PythonVersion.PY_311,
            output_datetime_class=DatetimeClassType.Awaredatetime,
            enum_field_as_literal=LiteralType.All,
            formatters=[Formatter.BUILTIN],
            builtin_format_line_length=110,
            custom_file_header="#",
            use_standard_collections=True,
            use_union_operator=True,
            use_annotated=True,
            field_constraints=True,
            use_schema_description=True,
            use_field_description=True,
            use_double_quotes=True,
            use_exact_imports=True,
            disable_timestamp=True,
            allow_remote_refs=False,
        )
    return str(text).removeprefix("#\n")


def _look_through(text: str) -> None:
    """Refuse a module that holds anything but types: others wrote the document, and this file is run."""
    nodes = list(ast.walk(ast.parse(text)))
    imported = [alias for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    calls = {alias.asname or alias.name for alias in imported if alias.name in _CALLS}
    literals = {alias.asname or alias.name for alias in imported if alias.name == "Literal"}
    for node in nodes:
        if not _is_of_types(node, calls) or _is_evaluated(node, literals):
            raise _unsafe(node)


def _is_evaluated(node: ast.AST, literals: Collection[str]) -> bool:
    """Whether a text stands where a type is due, so that it would be read as code."""
    parts: list[ast.AST] = []
    match node:
        case ast.Subscript(value=ast.Name(id=name), slice=inner) if name not in literals:
            parts = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
        case ast.AnnAssign(annotation=annotation):
            parts = [annotation]
        case ast.BinOp(left=left, right=right):
            parts = [left, right]
    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
    return any(isinstance(text, str) and not text.isidentifier() for text in texts)


def _is_of_types(node: ast.AST, calls: Collection[str]) -> bool:
    match node:
        case ast.ImportFrom(module=module):
            return module in _MODULES
        case ast.Call(func=ast.Name(id=name)):
            return name in calls
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Attribute(attr=name):
            return name == "model_rebuild"
        case ast.stmt():
            return isinstance(node, _STATEMENTS)
    return not isinstance(node, _DOES_SOMETHING)


def _unsafe(node: ast.AST) -> RingbackError:
    return RingbackError(
        f"The types made of this document would run {ast.unparse(node)[:80]!r}, which is no type. Nothing "
        "was written. Look at the names and texts in its schemas."
    )
