#!/usr/bin/env python3
"""openapi_test.py SOURCE: api/openapi.json is whole, consistent and in its fixed form.

`openapi_test.py SOURCE --format` writes the file in that form.
"""
import json
import pathlib
import re
import sys
import unittest

import contract
import jsonschema
import variants

FILE = pathlib.Path(sys.argv[1]) / "api" / "openapi.json"
TEXT = FILE.read_text()
SPEC = json.loads(TEXT)
JUDGE = contract.Contract(SPEC)
SCHEMAS = SPEC["components"]["schemas"]
ROLES = ("public", "viewer", "operator", "author", "admin")
CAPS = ("none", "request", "dag")
OWN_ERRORS = (("/health", "503"), ("/readyz", "503"))  # they tell which check failed
SENTENCE = re.compile(r"[^\n]+[.]")


def parts(value, where="#"):
    """All objects of a JSON value with their pointers, but not what stands in examples."""
    if isinstance(value, dict):
        yield where, value
        for key, item in value.items():
            if key not in ("example", "examples", "default"):
                yield from parts(item, f"{where}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from parts(item, f"{where}/{index}")


def name(method, path):
    return f"{method.upper()} {path}"


class FileTest(unittest.TestCase):
    def test_has_its_fixed_form(self):
        self.assertTrue(TEXT == contract.text_of(SPEC), "run openapi_test.py SOURCE --format")

    def test_references_lead_somewhere_and_all_components_are_used(self):
        used = {part["$ref"] for _, part in parts(SPEC) if "$ref" in part}
        for target in used:
            with self.subTest(target):
                contract.look_up(SPEC, {"$ref": target})
        have = {f"#/components/{kind}/{key}" for kind, shared in SPEC["components"].items()
                for key in shared if kind != "securitySchemes"}
        self.assertEqual(have - used, set())

    def test_text_is_whole_sentences(self):
        for where, part in parts(SPEC):
            text = part.get("description")
            if isinstance(text, str) and where != "#/info":
                self.assertTrue(SENTENCE.fullmatch(text), where)
        for method, path, operation in contract.operations(SPEC):
            self.assertNotRegex(operation["summary"], r"[.\n]", name(method, path))


class OperationTest(unittest.TestCase):
    def each(self, check):
        for method, path, operation in contract.operations(SPEC):
            with self.subTest(name(method, path)):
                check(method, path, operation)

    def test_ids_are_unique_and_tags_are_known(self):
        ids = [operation["operationId"] for _, _, operation in contract.operations(SPEC)]
        self.assertEqual(len(ids), len(set(ids)))
        used = {tag for _, _, operation in contract.operations(SPEC) for tag in operation["tags"]}
        self.assertEqual(used, {tag["name"] for tag in SPEC["tags"]})

    def test_roles_and_caps(self):
        def check(method, _, operation):
            role, cap = operation["x-nightmill-role"], operation["x-nightmill-body-cap"]
            self.assertIn(role, ROLES)
            self.assertIn(cap, CAPS)
            self.assertEqual(role == "public", operation.get("security") == [])
            self.assertEqual(cap == "none", "requestBody" not in operation)
            if method == "get":
                self.assertEqual((cap, role in ("public", "viewer")), ("none", True))
        self.each(check)

    def test_parameters(self):
        def check(_, path, operation):
            declared = [contract.look_up(SPEC, part) for part in operation.get("parameters", ())]
            in_path = [part["name"] for part in declared if part["in"] == "path"]
            self.assertEqual(re.findall(r"\{(\w+)\}", path), in_path)
            names = [(part["in"], part["name"]) for part in declared]
            self.assertEqual(len(names), len(set(names)))
            for part in declared:
                self.check_bounds(part["name"], contract.look_up(SPEC, part["schema"]))
        self.each(check)

    def check_bounds(self, parameter, schema):
        if schema.get("type") == "integer":
            self.assertIn("minimum", schema, parameter)
        if parameter == "limit":
            self.assertEqual((schema["minimum"], schema["maximum"]), (1, 1000))
        if parameter == "order_by":
            words = schema["items"]["enum"]
            self.assertEqual(words[1::2], [f"-{word}" for word in words[::2]])

    def test_bodies_take_no_unknown_members(self):
        def check(_, __, operation):
            for kind in operation.get("requestBody", {}).get("content", {}).values():
                schema = contract.look_up(SPEC, kind["schema"])
                closed = operation["x-nightmill-body-cap"] != "dag"
                self.assertEqual(schema["additionalProperties"], not closed)
        self.each(check)

    def test_answers(self):
        shared = [id(part) for part in SPEC["components"]["responses"].values()]

        def check(_, path, operation):
            answers = operation["responses"]
            self.assertEqual(list(answers), sorted(answers))
            self.assertEqual(len([code for code in answers if code.startswith("2")]), 1)
            needed = {"400", "403", "500", "503"} | ({"404"} if "{" in path else set())
            needed |= set() if operation["x-nightmill-role"] == "public" else {"401", "429"}
            needed |= {"413"} if "requestBody" in operation else set()
            self.assertEqual(needed - set(answers), set())
            for code, answer in answers.items():
                if code[0] in "45" and (path, code) not in OWN_ERRORS:
                    self.assertIn(id(contract.look_up(SPEC, answer)), shared)
        self.each(check)

    def test_errors_show_their_status(self):
        def check(_, __, operation):
            for code, answer in operation["responses"].items():
                for kind in contract.look_up(SPEC, answer).get("content", {}).values():
                    if code[0] in "45" and "example" in kind:
                        self.assertEqual(str(kind["example"]["status"]), code)
                        self.assertEqual(JUDGE.faults(kind["schema"], kind["example"]), [])
        self.each(check)


class SchemaTest(unittest.TestCase):
    def test_schemas_are_valid_and_describe_each_member(self):
        for key, schema in SCHEMAS.items():
            with self.subTest(key):
                jsonschema.Draft202012Validator.check_schema(schema)
                for where, part in parts(schema):
                    for member, value in part.get("properties", {}).items():
                        self.assertTrue({"description", "$ref"} & set(value), f"{where}/{member}")
                    unknown = set(part.get("required", ())) - set(variants.members(SPEC, part)[0])
                    self.assertEqual(unknown, set(), where)

    def test_examples_fit(self):
        for key, schema in SCHEMAS.items():
            for value in schema.get("examples", ()):
                with self.subTest(key):
                    part = {"$ref": f"#/components/schemas/{key}"}
                    self.assertEqual(JUDGE.faults(part, value), [])

    def test_made_examples_fit(self):
        for key in SCHEMAS:
            with self.subTest(key):
                part = {"$ref": f"#/components/schemas/{key}"}
                self.assertEqual(JUDGE.faults(part, variants.example(SPEC, part)), [])

    def test_a_missing_an_unknown_and_a_wrong_member_are_found(self):
        for key, schema in SCHEMAS.items():
            for value in schema.get("examples", ()):
                required = variants.members(SPEC, schema)[1]
                part = {"$ref": f"#/components/schemas/{key}"}
                for member in required:
                    less = {name: item for name, item in value.items() if name != member}
                    self.assertTrue(JUDGE.faults(part, less), f"{key} without {member}")
                if key != "DagFile":
                    surplus = {**value, "surplus": 1}
                    self.assertTrue(JUDGE.faults(part, surplus), f"{key} with surplus")


class ContractTest(unittest.TestCase):
    RUN = "/api/v2/dags/hello/dagRuns/manual__1"

    def test_literal_paths_go_first(self):
        task = self.RUN + "/taskInstances/load"
        for target, template in (
                ("/api/v2/dags/validate?file=x", "/api/v2/dags/validate"),
                ("/api/v2/dags/hello", "/api/v2/dags/{dag_id}"),
                (task + "/listMapped", "/listMapped"), (task + "/3", "/{map_index}"),
                (task + "/tries/3", "{task_id}/tries/{task_try_number}"),
                (task + "/3/tries", "{map_index}/tries"), ("/nowhere", None)):
            with self.subTest(target):
                self.assertTrue((JUDGE.path_of(target) or "None").endswith(str(template)))

    def test_judges_answers(self):
        run = json.dumps(variants.example(SPEC, {"$ref": "#/components/schemas/DAGRunResponse"}))
        problem = json.dumps(variants.example(SPEC, {"$ref": "#/components/schemas/Problem"}))
        self.assertIsNone(JUDGE.check("GET", self.RUN, 200, "application/json", run))
        self.assertIsNone(JUDGE.check("GET", self.RUN, 404, "application/problem+json", problem))
        self.assertIsNone(JUDGE.check("GET", "/nowhere", 404, "application/problem+json", problem))
        self.assertIsNone(JUDGE.check("DELETE", self.RUN, 405, "application/problem+json", problem))
        self.assertIsNone(JUDGE.check("HEAD", self.RUN, 200, "application/json", ""))
        for method, target, status, kind, body in (
                ("GET", self.RUN, 201, "application/json", run),
                ("GET", self.RUN, 200, "text/html", run),
                ("GET", self.RUN, 200, "application/json", "{}"),
                ("GET", self.RUN, 404, "application/problem+json", run),
                ("GET", "/nowhere", 200, "application/json", run),
                ("DELETE", "/api/v2/pools/a", 204, "application/json", "{}")):
            with self.subTest(f"{method} {target} {status} {kind}"):
                with self.assertRaises(AssertionError):
                    JUDGE.check(method, target, status, kind, body)


if __name__ == "__main__":
    if sys.argv[2:] == ["--format"]:
        FILE.write_text(contract.text_of(SPEC))
    else:
        unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
