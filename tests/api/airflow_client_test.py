#!/usr/bin/env python3
"""airflow_client_test.py SOURCE CLIENTS: what api/openapi.json promises, Airflow's client can read.

CLIENTS holds a folder per release of apache-airflow-client. For each operation that both have, the
names and the codes agree, every value that our schema allows is decoded by the client's models, and
our request bodies take every member that the client may send.
"""
import functools
import json
import os
import pathlib
import subprocess
import sys
import unittest

import contract
import variants

SOURCE, CLIENTS = (pathlib.Path(word) for word in sys.argv[1:3])
SPEC = json.loads((SOURCE / "api" / "openapi.json").read_text())
RELEASES = sorted(entry for entry in CLIENTS.iterdir() if (entry / "airflow_client").is_dir())
# Members that the client leaves out unless its user sets them, and that mean nothing here.
NOT_OURS = {"team_name", "additional_properties"}
SHARED_ERRORS = {"400", "401", "403", "404", "409"}


def ask(release, *words, stdin=""):
    told = subprocess.run(
        [sys.executable, "-B", pathlib.Path(__file__).with_name("airflow_models.py"), *words],
        env={**os.environ, "PYTHONPATH": str(release)}, input=stdin, text=True, check=True,
        stdout=subprocess.PIPE, timeout=120)
    return json.loads(told.stdout)


@functools.cache
def described(release):
    return ask(release, "describe")


def shared(release):
    """Operations that both have: (name, ours, theirs)."""
    for method, path, ours in contract.operations(SPEC):
        name = f"{method.upper()} {path}"
        theirs = described(release)["operations"].get(name)
        if theirs:
            yield name, ours, theirs


def json_schema(answer):
    kinds = contract.look_up(SPEC, answer).get("content", {})
    return kinds.get("application/json", {}).get("schema")


def answers(release):
    """(operation and code, model of the client, text) for every value that we may send."""
    for name, ours, theirs in shared(release):
        for code, answer in ours["responses"].items():
            model, schema = theirs["answers"].get(code), json_schema(answer)
            if schema and model and (code.startswith("2") or code in SHARED_ERRORS):
                texts = {json.dumps(value) for value in variants.variants(SPEC, schema)}
                yield from ((f"{name} {code}", model, text) for text in sorted(texts))


class AirflowClientTest(unittest.TestCase):
    def each(self, check):
        self.assertTrue(RELEASES, f"no client in {CLIENTS}")
        for release in RELEASES:
            with self.subTest(release.name):
                check(release)

    def test_names_and_codes_agree(self):
        def check(release):
            self.assertGreaterEqual(len(list(shared(release))), 44)
            for name, ours, theirs in shared(release):
                self.assertEqual(ours["operationId"], theirs["id"], name)
                good = next(code for code in ours["responses"] if code.startswith("2"))
                self.assertIn(good, theirs["answers"], name)
        self.each(check)

    def test_every_answer_is_decoded(self):
        def check(release):
            sent = list(answers(release))
            told = ask(release, "decode", stdin=json.dumps([item[1:] for item in sent]))
            wrong = [f"{name} {model}: {why}\n  {text[:300]}"
                     for (name, model, text), why in zip(sent, told) if why]
            self.assertGreater(len(sent), 1000)
            self.assertFalse(wrong, f"{len(wrong)} of {len(sent)}:\n" + "\n".join(wrong[:10]))
        self.each(check)

    def test_the_decoder_refuses(self):
        whole = variants.example(SPEC, {"$ref": "#/components/schemas/DAGResponse"})
        less = {key: value for key, value in whole.items() if key != "timetable_partitioned"}
        bad = [("DAGResponse", json.dumps(body)) for body in (
            less, {**whole, "max_active_tasks": "1"}, {**whole, "is_paused": None})]
        self.each(lambda release: self.assertNotIn(
            None, ask(release, "decode", stdin=json.dumps(bad))))

    def test_our_bodies_take_what_the_client_sends(self):
        def check(release):
            for name, ours, theirs in shared(release):
                if theirs["body"]:
                    schema = ours["requestBody"]["content"]["application/json"]["schema"]
                    known = set(contract.look_up(SPEC, schema)["properties"])
                    sent = set(described(release)["models"][theirs["body"]])
                    self.assertEqual(sent - known - NOT_OURS, set(), name)
        self.each(check)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
