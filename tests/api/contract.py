"""api/openapi.json as a contract: its fixed text form, its parts, and the judge of an answer.

`Contract.check(method, target, status, content_type, body)` raises AssertionError for an answer
that the file does not promise: an undeclared status or type, a body that does not fit its schema.
It is stricter than the file: a member that the file does not name is refused as well.
"""
import copy
import json
import re
import urllib.parse

import jsonschema
import referencing
import referencing.jsonschema

WIDTH = 120
METHODS = ("get", "put", "post", "delete", "patch")
URI = "urn:nightmill:openapi"
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
FORMATS = jsonschema.FormatChecker(formats=("uuid",))


@FORMATS.checks("date-time")
def is_date_time(value):
    return not isinstance(value, str) or DATE_TIME.fullmatch(value) is not None


def text_of(value, indent=0, used=0):
    """JSON with two spaces of indentation, where what fits into one line stands on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    fits = indent + used + len(flat) < WIDTH
    end = "\n" if indent == 0 else ""
    if not isinstance(value, (dict, list)) or not value or fits:
        return flat + end
    inner = " " * (indent + 2)
    if isinstance(value, list):
        rows = [inner + text_of(item, indent + 2) for item in value]
        return "[\n" + ",\n".join(rows) + "\n" + " " * indent + "]" + end
    rows = []
    for key, item in value.items():
        name = json.dumps(key, ensure_ascii=False) + ": "
        rows.append(inner + name + text_of(item, indent + 2, len(name)))
    return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}" + end


def operations(spec):
    """All operations as (method in lower case, path template, operation)."""
    for path, item in spec["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def look_up(spec, part):
    """What a local $ref of `part` points to; `part` itself if it is none."""
    while "$ref" in part:
        found = spec
        for word in part["$ref"].removeprefix("#/").split("/"):
            found = found[word.replace("~1", "/").replace("~0", "~")]
        part = found
    return part


def _closed(schema):
    """A copy of a schema in which no object takes members that it does not name."""
    if not isinstance(schema, dict):
        return schema
    out = dict(schema)
    for word in ("properties", "patternProperties"):
        if word in out:
            out[word] = {name: _closed(value) for name, value in out[word].items()}
    for word in ("items", "additionalProperties"):
        if word in out:
            out[word] = _closed(out[word])
    for word in ("anyOf", "oneOf"):
        if word in out:
            out[word] = [_closed(value) for value in out[word]]
    known = any(word in out for word in ("$ref", "properties", "allOf"))
    if known and "additionalProperties" not in out:
        out["unevaluatedProperties"] = False
    return out


def _closed_components(spec):
    """Components may be a part of others by allOf: their inside is closed, they are not."""
    out = copy.deepcopy(spec)
    for name, schema in spec["components"]["schemas"].items():
        closed = _closed(schema)
        if "allOf" in closed:
            closed["allOf"] = [_closed(part) for part in schema["allOf"]]
            for part in closed["allOf"]:
                part.pop("unevaluatedProperties", None)
        closed.pop("unevaluatedProperties", None)
        out["components"]["schemas"][name] = closed
    return out


class Contract:
    def __init__(self, spec):
        self.spec = spec
        resource = referencing.Resource(contents=_closed_components(spec),
                                        specification=referencing.jsonschema.DRAFT202012)
        self._registry = referencing.Registry().with_resource(URI, resource)
        self._paths = [(self._pattern(path), path) for path in spec["paths"]]

    @staticmethod
    def _pattern(path):
        parts = re.split(r"\{\w+\}", path)
        return re.compile("([^/]+)".join(re.escape(part) for part in parts))

    def path_of(self, target):
        """The template of a request target; the one with most literal segments, as the server."""
        path = urllib.parse.urlsplit(target).path
        fits = [template for pattern, template in self._paths if pattern.fullmatch(path)]
        return min(fits, key=lambda template: template.count("{"), default=None)

    def operation(self, method, target):
        path = self.path_of(target)
        method = "get" if method.lower() == "head" else method.lower()
        return self.spec["paths"][path].get(method) if path else None

    def faults(self, schema, value):
        """What is wrong with a value, as texts; empty if it fits."""
        def absolute(part):
            if isinstance(part, dict):
                return {key: URI + item if key == "$ref" else absolute(item)
                        for key, item in part.items()}
            return [absolute(item) for item in part] if isinstance(part, list) else part
        validator = jsonschema.Draft202012Validator(absolute(_closed(schema)),
                                                    registry=self._registry, format_checker=FORMATS)
        errors = sorted(validator.iter_errors(value),  # what follows from another error goes last
                        key=lambda error: error.validator == "unevaluatedProperties")
        return [f"{error.json_path}: {error.message}" for error in errors]

    def response(self, method, target, status):
        """The declared answer; None if the status is not declared."""
        operation = self.operation(method, target)
        declared = (operation or {}).get("responses", {})
        answer = declared.get(str(status)) or self.spec["x-nightmill-refusals"].get(str(status))
        if operation is None and str(status) in ("400", "401", "403", "404"):
            answer = self.spec["paths"]["/api/v2/dags/{dag_id}"]["get"]["responses"][str(status)]
        return look_up(self.spec, answer) if answer else None

    def check(self, method, target, status, content_type, body):
        """`body` is the text of the answer. A path or method that is not ours has its errors."""
        where = f"{method} {target}: {status}"
        answer = self.response(method, target, status)
        assert answer is not None, f"{where} is not declared"
        kinds = answer.get("content", {})
        if not kinds or method.upper() == "HEAD":
            assert not body, f"{where} has a body"
            return
        kind = (content_type or "").partition(";")[0].strip()
        assert kind in kinds, f"{where} has the type {kind}, declared are {', '.join(kinds)}"
        if kind.endswith("json"):
            wrong = self.faults(kinds[kind]["schema"], json.loads(body))
            assert not wrong, f"{where}\n" + "\n".join(wrong[:20])
