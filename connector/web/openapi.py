"""The OpenAPI document (3.1), made of the endpoints themselves, and a page to read it by."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from connector import __version__
from connector.core.access import PERMISSIONS
from connector.core.times import is_instant
from connector.web.endpoint import Endpoint
from connector.web.problems import PROBLEMS
from connector.web.rest import KEY, MOST_KEY, PREFIX

_REF = "#/components/schemas/{model}"
_ABOUT = """\
Money is in integers of 10^-6 of the company's currency (`_micros`), lengths of time in the unit that their name ends
with, instants in ISO 8601 in UTC. What is not documented is refused. Who sends a token, as `Authorization: Bearer
conn_...`, may do what its scopes and its user's role both allow; what belongs to another company is not found.

What moves money needs an `Idempotency-Key`: sent again with the same key, the same request is not done again, and is
answered as it was. Lists come in pages: `next` is the `cursor` of the following one, `null` after the last. Errors are
problem+json (RFC 9457) with a stable `code`.
"""
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": list(PROBLEMS)},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
# What any request may be answered, whatever it asks for.
_ALWAYS = (400, 401, 403, 409, 422, 429, 500, 503)


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document."""
    shapes = _Shapes(endpoints)
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Connector for Asterisk", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(endpoint.tag for endpoint in endpoints)],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**shapes.definitions, "Problem": _PROBLEM},
        },
    }


class _Shapes:
    """The JSON schemas of what is sent and answered, each once."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        wanted: list[tuple[str, Any, TypeAdapter[Any]]] = []
        for endpoint in endpoints:
            if endpoint.answer is not None:
                wanted.append((f"{endpoint.name} answers", "serialization", endpoint.answer))
            if endpoint.body is not None:
                wanted.append((f"{endpoint.name} takes", "validation", TypeAdapter(endpoint.body)))
            wanted.append((f"{endpoint.name} asks", "validation", TypeAdapter(endpoint.query)))
        found, named = TypeAdapter.json_schemas(wanted, ref_template=_REF)
        names = _names(named.get("$defs", {}))
        self._found: dict[str, Any] = {key: _renamed(shape, names) for (key, _), shape in found.items()}
        self.definitions: dict[str, Any] = {
            names[name]: {**_shown(_renamed(shape, names)), "title": names[name]}
            for name, shape in named.get("$defs", {}).items()
        }

    def answer(self, endpoint: Endpoint) -> Any:
        """What it answers."""
        return _shown(self._found[f"{endpoint.name} answers"])

    def body(self, endpoint: Endpoint) -> Any:
        """What is sent to it."""
        return self._found[f"{endpoint.name} takes"]

    def query(self, endpoint: Endpoint) -> dict[str, Any]:
        """Its query's parameters, as one object."""
        shape = self._found[f"{endpoint.name} asks"]
        if "$ref" in shape:
            shape = self.definitions[shape["$ref"].rpartition("/")[2]]
        return dict(shape)


def _names(definitions: dict[str, Any]) -> dict[str, str]:
    """What each schema is called in the document, by pydantic's name of it: a word of its own, for programs that write
    clients make a class of each.
    """
    made = {}
    for name, shape in definitions.items():
        of = re.fullmatch(r"Page_(\w+?)(?:View)?_", name)
        made[name] = f"{of[1]}Page" if of else shape.get("title", name)
    assert len(set(made.values())) == len(made), "two schemas have the same name: rename one of the classes"
    return made


def _renamed(shape: Any, names: dict[str, str]) -> Any:
    """A schema whose references are by those names."""
    if isinstance(shape, list):
        return [_renamed(each, names) for each in shape]
    if not isinstance(shape, dict):
        return shape
    made = {key: _renamed(value, names) for key, value in shape.items()}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = _REF.format(model=names[made["$ref"].rpartition("/")[2]])
    return made


def _operation(endpoint: Endpoint, shapes: _Shapes) -> dict[str, Any]:
    summary, _, more = endpoint.words.partition("\n")
    permission = endpoint.permission
    about = [more.strip(), f"Takes the permission `{permission}`: {PERMISSIONS[permission]}." if permission else ""]
    made: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": summary.rstrip("."),
        "description": "\n\n".join(each for each in about if each),
        "parameters": [*_in_path(endpoint), *_in_query(shapes.query(endpoint)), *_in_header(endpoint)],
        "responses": _answers(endpoint, shapes),
    }
    if endpoint.body is not None:
        made["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": shapes.body(endpoint)}},
        }
    return made


def _in_path(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 200}}
        for name in endpoint.parameters
    ]


def _in_query(query: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name, shape in query.get("properties", {}).items():
        kept = {key: value for key, value in shape.items() if key not in ("title", "description")}
        one = next((each for each in shape.get("anyOf", []) if each.get("type") != "null"), None)
        if one is not None:  # in a query, what is not there is null
            kept = one
        words = shape.get("description", "")
        needed = name in query.get("required", ())
        found.append({"name": name, "in": "query", "required": needed, "schema": kept, "description": words})
    return found


def _in_header(endpoint: Endpoint) -> list[dict[str, Any]]:
    if not endpoint.once:
        return []
    shape = {"type": "string", "minLength": 1, "maxLength": MOST_KEY, "pattern": "^[!-~]+$"}
    words = "A word for this very request: sent again, it is not done again."
    return [{"name": KEY, "in": "header", "required": True, "schema": shape, "description": words}]


def _answers(endpoint: Endpoint, shapes: _Shapes) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done"}
    if endpoint.answer is not None:
        good["content"] = {"application/json": {"schema": shapes.answer(endpoint)}}
    if endpoint.downloads:
        kind = endpoint.downloads.partition(";")[0]
        shape = {"type": "string"} if kind.startswith("text/") else {"type": "string", "format": "binary"}
        good["content"] = {kind: {"schema": shape}}
    found = {str(204 if not good.get("content") else endpoint.status): good}
    wrong = {*_ALWAYS, 404}
    if endpoint.body is not None:
        wrong |= {413, 415}
    if endpoint.after is not None:
        wrong.add(502)
    for status in sorted(wrong):
        codes = [code for code, (of, _) in PROBLEMS.items() if of == status]
        found[str(status)] = {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}",
            "content": {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}},
        }
    return found


def _shown(shape: Any, name: str = "") -> Any:
    """A schema of what is answered: instants are texts there (core/times.py)."""
    if isinstance(shape, list):
        return [_shown(each, name) for each in shape]
    if not isinstance(shape, dict):
        return shape
    if is_instant(name) and shape.get("type") == "integer":
        return {"type": "string", "format": "date-time"}
    made = {}
    for key, value in shape.items():
        if key == "properties":
            made[key] = {field: _shown(each, field) for field, each in value.items()}
        else:
            made[key] = _shown(value, name)
    return made


def anchor(text: str) -> str:
    """A name for a place in a page."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def for_people(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The document by subjects, for a page."""
    tags: dict[str, dict[str, Any]] = {
        tag["name"]: {"name": tag["name"], "anchor": anchor(tag["name"]), "operations": []} for tag in found["tags"]
    }
    schemas = found["components"]["schemas"]
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            good = next(iter(operation["responses"].values()))
            bodies = [("What is sent", operation.get("requestBody", {})), ("What is answered", good)]
            tags[operation["tags"][0]]["operations"].append(
                {
                    "id": operation["operationId"],
                    "method": method.upper(),
                    "path": path,
                    "summary": operation["summary"],
                    "description": operation["description"],
                    "parameters": [
                        {"name": each["name"], "where": each["in"], "shape": _brief(each["schema"], schemas)}
                        for each in operation["parameters"]
                    ],
                    "bodies": [
                        (title, json.dumps(_example(shape, schemas), indent=2))
                        for title, body in bodies
                        if (shape := body.get("content", {}).get("application/json", {}).get("schema")) is not None
                    ],
                }
            )
    return list(tags.values())


def _example(shape: Any, schemas: dict[str, Any]) -> Any:
    """A schema as it would look: each field with the words of its shape."""
    if "$ref" in shape:
        return _example(schemas[shape["$ref"].rpartition("/")[2]], schemas)
    if "properties" in shape:
        return {name: _example(each, schemas) for name, each in shape["properties"].items()}
    if shape.get("type") == "array" and isinstance(shape.get("items"), dict):
        return [_example(shape["items"], schemas)]
    return _brief(shape, schemas)


def _brief(shape: Any, schemas: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in shape:
        return _brief(schemas[shape["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in shape:
        return " or ".join(_brief(each, schemas) for each in shape["anyOf"])
    if "enum" in shape or "const" in shape:
        return " | ".join(map(str, shape.get("enum", [shape.get("const")])))
    words = [str(shape.get("type", "any"))]
    words += [f"{key} {shape[key]}" for key in ("format", "pattern", "minimum", "maximum", "maxLength") if key in shape]
    return ", ".join(words)
