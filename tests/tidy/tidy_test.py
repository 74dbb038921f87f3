#!/usr/bin/env python3
"""Tests the tidy test: a clean tree has no violation, each planted one is found by its rule."""
import pathlib
import tempfile
import unittest

import checks
import cpp_text
import rules

HEADER = "// A contract.\n#pragma once\n\nnamespace nightmill {\nint F(int a);\n}\n"
CLEAN = {
    "core/model/CMakeLists.txt": "nm_room(core_model SOURCES dag.cc DEPS nm_core_base)\n",
    "core/model/dag.h": HEADER,
    "core/model/dag.cc": '#include "core/model/dag.h"\n#include <vector>\n#include <fmt/core.h>\n'
                         "int F(int a) { return a; }\n",
    "scheduler/daemon/CMakeLists.txt": "nm_room(daemon SOURCES\n  clock.cc)\n",
    "scheduler/daemon/clock.cc": "#include <chrono>\n"
                                 "long Now() { return std::chrono::system_clock::now(); }\n",
    "store/CMakeLists.txt": "nm_room(store SOURCES rows.cc)\n",
    "store/rows.cc": '#include <sqlite3.h>\nconst char* kSql = "SELECT a "\n    "FROM t";\n'
                     "void Go() { sqlite3_step(Prepare(\"DELETE FROM t WHERE a = ?1\")); }\n",
    "cli/CMakeLists.txt": "add_executable(nightmill main.cc)\n",
    "cli/main.cc": '#include "store/rows.h"\n#include "core/model/dag.h"\n'
                   "int main() { std::cout << getenv(\"HOME\"); }\n",
    "store/rows.h": HEADER,
    "docs/rules.md": "# Rules\n\n## 1. One\n\n### 1.1 A, 1.2 B\n\n- **R4 Stop.** And 7 words.\n",
}


def lines(count, text="int a;\n"):
    return text * count


def body(count):
    return "int G() {\n" + lines(count - 2, "  a += 1;\n") + "}\n"


# (rule, file, its text or (clean text, planted)); each is the only violation of its tree.
PLANTED = (
    ("room include", "core/model/dag.cc", '#include "store/rows.h"\n'),
    ("room include", "store/rows.cc", '#include "scheduler/engine/engine.h"\n'),
    ("room include", "scheduler/daemon/clock.cc", '#include "api/routes.h"\n'),
    ("relative include", "core/model/dag.cc", '#include "dag.h"\n'),
    ("relative include", "core/model/dag.cc", '#include "../base/check.h"\n'),
    ("library include", "core/model/dag.cc", "#include <boost/asio/io_context.hpp>\n"),
    ("library include", "scheduler/daemon/clock.cc", "#include <sqlite3.h>\n"),
    ("library include", "store/rows.cc", "#include <arrow/api.h>\n"),
    ("json in a header", "core/model/dag.h", '#include "core/base/json.h"\n'),
    ("json past its home", "core/model/dag.cc", "#include <nlohmann/json.hpp>\n"),
    ("pure room", "core/model/dag.cc", "#include <thread>\n"),
    ("pure room", "core/model/dag.cc", "#include <sys/stat.h>\n"),
    ("banned: clock", "store/rows.cc", "auto t = std::chrono::steady_clock::now();\n"),
    ("banned: clock", "store/rows.cc", "long t = std::time(nullptr);\n"),
    ("banned: random_device", "store/rows.cc", "std::random_device seed;\n"),
    ("banned: rand", "store/rows.cc", "int r = rand();\n"),
    ("banned: sleep", "store/rows.cc", "void W() { std::this_thread::sleep_for(second); }\n"),
    ("banned: sleep", "store/rows.cc", "void W() { ::usleep(10); }\n"),
    ("banned: getenv", "store/rows.cc", 'const char* e = std::getenv("A");\n'),
    ("banned: stdout", "store/rows.cc", "void P() { std::cout << 1; }\n"),
    ("banned: stdout", "store/rows.cc", 'void P() { printf("x"); }\n'),
    ("banned: raw new", "store/rows.cc", "int* p = new int(1);\n"),
    ("banned: raw delete", "store/rows.cc", "void D() { delete p; }\n"),
    ("banned: sqlite3", "scheduler/daemon/clock.cc", "void S() { sqlite3_step(s); }\n"),
    ("banned: fork", "scheduler/daemon/clock.cc", "int p = fork();\n"),
    ("built SQL", "store/rows.cc", 'auto q = fmt::format("SELECT * FROM {}", t);\n'),
    ("built SQL", "store/rows.cc", 'auto q = std::string("DELETE FROM t WHERE a = ") + v;\n'),
    ("built SQL", "store/rows.cc", 'void Q() { sql += R"(UPDATE t SET a = 1)"; }\n'),
    ("header size", "core/model/dag.h", lines(201)),
    ("source size", "store/rows.cc", lines(601)),
    ("function size", "store/rows.cc", body(71)),
    ("function size", "store/rows.cc", "class A {\n " + body(80) + "};\n"),
    ("function size", "tools/x.py", "def f():\n" + lines(71, "    f()\n")),
    ("python syntax", "tools/x.py", "def f(:\n"),
    ("columns", "store/rows.cc", "// " + "x" * 98 + "\n"),
    ("leftover", "store/rows.cc", "// TO" "DO: later\n"),
    ("machine path", "store/rows.cc", 'const char* d = "/wo' 'rk/data";\n'),
    ("machine path", "store/rows.h", "// see ../sha" "red/x\n"),
    ("citation", "store/rows.cc", "// see lost.m" "d\n"),
    ("citation", "store/rows.cc", "// see rules.m" "d 7.\n"),
    ("citation", "store/rows.cc", "// see rules.m" "d 1,\n// 1.3\n"),
    ("citation", "store/rows.cc", "// see rules.m" "d 1-2\n"),
    ("citation", "store/rows.cc", "// see rules.m" "d R4, R5\n"),
    ("pragma once", "store/rows.h", None),
    ("dead file", "store/lost.cc", "int a;\n"),
    ("dead file", "store/lost.h", HEADER),
    ("dead file", "tools/lost.sh", "true\n"),
)

FINE = (
    ("a comment names it", "store/rows.cc", "// rand() and new int, /tmp, fork()\n"),
    ("a literal names it", "store/rows.cc", 'const char* t = "std::cout << new int; rand()";\n'),
    ("a raw literal is data", "store/rows.cc", 'const char* t = R"(' + "x" * 150 + ')";\n'),
    ("owned at once", "store/rows.cc", "auto p = std::unique_ptr<A>(new A(1));\n"),
    ("a deleted function", "store/rows.cc", "struct A { A(const A&) = delete; };\n"),
    ("a member called so", "store/rows.cc", "void R() { rng.rand(); deleted = true; }\n"),
    ("citations that lead somewhere", "store/rows.cc",
     "// rules.m" "d 1, R4; rules.m" "d 1.1-1.2 and R4: 12 things (rules.m" "d, of 9 words)\n"),
    ("a script's own file", "tools/x.py", "OUT = 'results.m" "d'\n"),
    ("70 lines", "store/rows.cc", body(70)),
    ("a long table", "store/rows.cc", "constexpr int kRows[] = {\n" + lines(90, "  1,\n") + "};\n"),
    ("long data in a function", "store/rows.cc",
     'int G() {\n  return Use(R"(\n' + lines(90, "row\n") + ')");\n}\n'),
)


def run(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return checks.run(folder)


def with_text(path, text):
    """The clean tree with text added to a file; a script there needs somebody to name it."""
    files = dict(CLEAN)
    if text is None:
        files[path] = "int a;\n"
    else:
        files[path] = files.get(path, "") + text
    if path == "tools/x.py":
        files["Makefile"] = "all:\n\ttools/x.py\n"
    return files


class TidyTest(unittest.TestCase):
    def test_a_clean_tree_has_no_violation(self):
        self.assertEqual(run(CLEAN), [])

    def test_each_planted_violation_is_found_alone(self):
        for rule, path, text in PLANTED:
            with self.subTest(rule=rule, path=path, text=(text or "")[:40]):
                found = run(with_text(path, text))
                self.assertEqual([(v.rule, v.path) for v in found], [(rule, path)])
                self.assertTrue(found[0].message)

    def test_every_rule_has_a_planted_violation(self):
        planted = {row[0] for row in PLANTED}
        self.assertLessEqual({f"banned: {row[0]}" for row in rules.BANNED_CALLS}, planted)
        self.assertLessEqual({f"{row[0]} size" for row in rules.FILE_SIZES[1:]}, planted)

    def test_what_only_looks_like_one_is_fine(self):
        for name, path, text in FINE:
            with self.subTest(name):
                found = [v for v in run(with_text(path, text)) if v.rule != "columns"]
                self.assertEqual(found, [])

    def test_a_large_test_file_is_found(self):
        files = dict(CLEAN)
        files["tests/unit/a/CMakeLists.txt"] = "nm_test(a SOURCES a.cc)\n"
        files["tests/unit/a/a.cc"] = lines(1001)
        self.assertEqual([v.rule for v in run(files)], ["test file size"])

    def test_functions_are_found_with_their_signature(self):
        text = ("namespace n {\nstd::vector<int> A::Make(\n    int a) const noexcept\n{\n"
                "  if (a) {\n  }\n}\nbool operator==(A a, B b) { return true; }\n"
                "A::A(int b)\n    : b_(b), c_{1} {\n  Go([&] { return 1; });\n}\n"
                "TEST(X, Y) {\n}\n}\n")
        self.assertEqual(cpp_text.functions(text)[0], (2, 7))
        self.assertIn((8, 8), cpp_text.functions(text))
        self.assertIn((9, 12), cpp_text.functions(text))
        self.assertIn((13, 14), cpp_text.functions(text))


if __name__ == "__main__":
    unittest.main()
