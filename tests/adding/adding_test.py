#!/usr/bin/env python3
"""adding_test.py SOURCE BUILD: follows docs/adding.md to the letter, and the README's first DAG.

Takes the blocks of the document, applies them to a copy of the tree, configures it like BUILD and
compiles what the document adds or changes. The rest is linked from the libraries of BUILD, which
have just been built from the same tree: the new objects come first, so theirs are the definitions.
Then the new test runs, and the worker runs the new operator on a table it has made itself.
"""
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
FENCE = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROOMS = ("api", "cli", "cmake", "core", "migrations", "operators", "scheduler", "store", "web",
         "worker", "dags/demo")


def blocks():
    """[(kind, path, text)] of the document, in order."""
    text = (SOURCE / "docs/adding.md").read_text()
    return [(m[1], m[2], m[3]) for m in FENCE.finditer(text)]


def insert(text, change, path):
    """Puts the `+` lines after the line above them, which must be there exactly once."""
    end = 0  # of the line last found or put
    for line in change.splitlines():
        mark, content = line[:1], line[1:] + "\n"
        if mark == "+":
            text = text[:end] + content + text[end:]
            end += len(content)
            continue
        if text.count("\n" + content) != 1:
            raise AssertionError(f"{path}: the line {content!r} of docs/adding.md is not there")
        end = text.index("\n" + content) + 1 + len(content)
    return text


def copy_tree(target):
    for room in ROOMS:
        shutil.copytree(SOURCE / room, target / room)
    shutil.copy(SOURCE / "CMakeLists.txt", target)
    # Of the tests only what the document adds.
    (target / "tests/unit").mkdir(parents=True)
    (target / "tests/CMakeLists.txt").write_text("add_subdirectory(unit)\n")
    shutil.copy(SOURCE / "tests/unit/CMakeLists.txt", target / "tests/unit")


def apply_document(target):
    """Follows the document; the paths of the sources that it adds or changes."""
    touched = set()
    for kind, path, text in blocks():
        place = target / path
        if kind == "diff":
            place.write_text(insert(place.read_text(), text, path))
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        if path.endswith(".cc"):
            touched.add(path)
    return touched


def cached(name):
    """A value of BUILD's CMake cache."""
    found = re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    return found[1] if found else ""


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def configure(target, build):
    arrow = cached("NIGHTMILL_PYARROW_DIR")
    venv = sorted((SOURCE / "build/venv").glob("lib/python3*/site-packages/pyarrow"))
    if not arrow and venv:
        arrow = venv[0]
    options = {"CMAKE_BUILD_TYPE": cached("CMAKE_BUILD_TYPE"), "NIGHTMILL_PYARROW_DIR": arrow,
               "CMAKE_CXX_COMPILER_LAUNCHER": cached("CMAKE_CXX_COMPILER_LAUNCHER"),
               "NIGHTMILL_SANITIZE": cached("NIGHTMILL_SANITIZE"), "NIGHTMILL_TESTS": "ON",
               "NIGHTMILL_WEB": "OFF"}
    run(["cmake", "-G", "Ninja", "-S", target, "-B", build,
         *(f"-D{name}={value}" for name, value in options.items())])


def link(build, program, objects):
    """Links a program of the copy: what is new from there, the rest from BUILD.

    The new objects come before the libraries, so that theirs are the definitions that count.
    """
    command = run(["ninja", "-C", build, "-t", "commands", "-s", program]).splitlines()[-1]
    words = [word for word in shlex.split(command) if word not in (":", "&&")]
    ours = [word for word in words if word.endswith(".o") and (build / word).exists()]
    words = [str(BUILD / word) if word.endswith((".a", ".o")) and word not in ours else word
             for word in words]
    first = next(i for i, word in enumerate(words) if word.endswith(".o"))
    run(words[:first] + objects + words[first:], cwd=build)


class AddingTest(unittest.TestCase):
    def test_the_document_leads_to_an_operator_that_runs(self):
        with tempfile.TemporaryDirectory(dir=BUILD) as name:
            folder = pathlib.Path(name)
            tree, build = folder / "tree", folder / "build"
            copy_tree(tree)
            touched = apply_document(tree)
            configure(tree, build)
            objects = self.compile(build, touched)
            catalog = [path for path in objects if "nm_catalog.dir" in path]
            operators = catalog + [path for path in objects if "nm_operators.dir" in path]
            link(build, "inventory_test", operators)
            self.assertIn("2 tests from", run([build / "inventory_test"]))
            link(build, "nightmill-worker", operators)
            link(build, "nightmill", catalog)
            self.use(build, folder)

    def test_the_dag_of_the_readme_is_valid(self):
        text = re.search(r"^```json\n(.*?)^```$", (SOURCE / "README.md").read_text(),
                         re.MULTILINE | re.DOTALL)[1]
        self.assertEqual(text.count("\n"), 5, "it is a DAG of five lines")
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "hello.json").write_text(text)
            run([BUILD / "nightmill", "dag", "validate", "hello.json"], cwd=folder)

    def compile(self, build, touched):
        """Compiles the sources; their objects, as the build of the copy names them."""
        targets = run(["ninja", "-C", build, "-t", "targets", "all"])
        names = [line.partition(":")[0] for line in targets.splitlines()]
        objects = []
        for path in sorted(touched):
            room, _, name = path.rpartition("/")
            pattern = re.compile(rf"{room}/CMakeFiles/\w[\w-]*\.dir/{re.escape(name)}\.o$")
            found = [target for target in names if pattern.fullmatch(target)]
            self.assertTrue(found, f"no CMakeLists.txt of the document builds {path}")
            objects += found[:1]
        run(["ninja", "-C", build, *objects])
        return objects

    def use(self, build, folder):
        """The worker runs the operator on a table it has made, and a DAG may name it."""
        (folder / "in").mkdir()
        (folder / "in/day.csv").write_text("user,n\na,1\nb,2\nc,3\n")
        (folder / "convert.json").write_text(json.dumps({
            "type": "convert", "in": {"path": "in/day.csv", "format": "csv"},
            "schema": {"user": "string", "n": "int64"},
            "out": {"path": "lake/events", "partition": {"day": "2026-01-01"}}}))
        spec = next(text for _, path, text in blocks() if path == "inventory.json")
        (folder / "inventory.json").write_text(spec)
        worker = [build / "nightmill-worker", "op", "run"]
        run([*worker, "convert.json"], cwd=folder)
        report = json.loads(run([*worker, "inventory.json"], cwd=folder))
        self.assertEqual(report["outcome"], "checked")
        self.assertEqual((report["input_files"], report["input_rows"]), (1, 3))

        dag = {"dag_id": "counts", "tasks": [{"id": "count", **json.loads(spec)}]}
        (folder / "dag.json").write_text(json.dumps(dag))
        run([build / "nightmill", "dag", "validate", "dag.json"], cwd=folder)
        def refused():
            (folder / "dag.json").write_text(json.dumps(dag))
            answer = subprocess.run([build / "nightmill", "dag", "validate", "dag.json"], text=True,
                                    cwd=folder, capture_output=True, check=False)
            self.assertEqual(answer.returncode, 2, answer.stdout + answer.stderr)
            return answer.stdout + answer.stderr

        dag["tasks"][0]["in"]["filter"] = "n > 1"
        self.assertIn("inventory reads no rows   at /tasks/0/in/filter", refused())
        dag["tasks"][0].pop("in")
        self.assertIn("NM202", refused())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
