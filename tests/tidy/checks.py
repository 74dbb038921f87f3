"""The checks of the tidy test: each takes a Tree and yields Violations; CHECKS lists them all."""
import ast
import collections
import os
import pathlib
import re

import cpp_text
import rules

Violation = collections.namedtuple("Violation", "path line rule message")


class Tree:
    """The text files below a root, read once."""

    def __init__(self, root):
        self.files = {}
        root = pathlib.Path(root)
        for folder, names, files in os.walk(root):
            place = pathlib.Path(folder).relative_to(root)
            names[:] = sorted(n for n in names if not self._skipped((place / n).as_posix() + "/"))
            for name in sorted(files):
                path = (place / name).as_posix()
                if rules.TEXT_FILES.search(path):
                    self.files[path] = (root / path).read_text(encoding="utf-8", errors="replace")

    @staticmethod
    def _skipped(path):
        return any(path == row or path.endswith("/" + row) for row in rules.SKIPPED_FOLDERS)

    def cpp(self):
        return ((p, t) for p, t in self.files.items() if p.endswith((".h", ".cc", ".c")))


def best_row(table, path):
    """The value of the longest key of the table that the path starts with, or None."""
    keys = [key for key in table if path.startswith(key)]
    return table[max(keys, key=len)] if keys else None


def library_of(header):
    for name, starts in rules.LIBRARIES.items():
        if header.startswith(starts):
            return name
    return None


def check_project_include(path, line, name):
    if name.startswith(".") or "/" not in name:
        return Violation(path, line, "relative include", f'"{name}": write it from the root, '
                         "e.g. \"core/model/dag.h\"")
    allowed = best_row(rules.ROOM_INCLUDES, path)
    if allowed is None or name.startswith(allowed):
        return None
    return Violation(path, line, "room include", f'"{name}" is not for this room; it may include '
                     + ", ".join(allowed))


def check_library_include(path, line, name):
    if name == "nlohmann/json.hpp" and path != rules.JSON_HOME:
        return Violation(path, line, "json past its home", f"include \"{rules.JSON_HOME}\"")
    if name == rules.JSON_HOME and path.endswith(".h") and not path.startswith("tests/") \
            and path not in rules.JSON_HEADERS:
        return Violation(path, line, "json in a header", "include <nlohmann/json_fwd.hpp>")
    library = library_of(name)
    allowed = best_row(rules.ROOM_LIBRARIES, path)
    if library and allowed is not None and library not in allowed:
        return Violation(path, line, "library include", f"{library} is not for this room; it may "
                         "use " + ", ".join(allowed))
    excused = rules.IMPURE_ALLOWED.get(path, ())
    if path.startswith(rules.PURE_ROOMS) and name not in excused:
        if any(name == row or row.endswith("/") and name.startswith(row)
               for row in rules.IMPURE_HEADERS):
            return Violation(path, line, "pure room", f"<{name}>: no I/O, clock or thread here; "
                             "take what it gives as a parameter")
    return None


def check_includes(tree):
    for path, text in tree.cpp():
        for line, quote, name in cpp_text.includes(text):
            library = quote == "<" or library_of(name)
            check = check_library_include if library else check_project_include
            found = check(path, line, name)
            if found:
                yield found


def check_banned_calls(tree):
    for path, text in tree.cpp():
        code = cpp_text.code_only(text)
        for name, pattern, allowed, instead in rules.BANNED_CALLS:
            if path.startswith(tuple(allowed)):
                continue
            for match in re.finditer(pattern, code):
                if match.groupdict().get("owned"):
                    continue
                yield Violation(path, cpp_text.line_of(code, match.start()), f"banned: {name}",
                                f"`{match[0].strip()}`: use {instead}")


def check_sql(tree):
    for path, text in tree.cpp():
        for line, piece, code in cpp_text.statements(text):
            if any(rules.SQL_START.match(sql) for sql in cpp_text.literals(piece)) \
                    and rules.SQL_GLUE.search(code):
                yield Violation(path, line, "built SQL", "one constant statement; bind the values")


def check_sizes(tree):
    for path, text in tree.files.items():
        lines = text.count("\n")
        for kind, pattern, most in rules.FILE_SIZES:
            if pattern.search(path):
                if lines > most:
                    yield Violation(path, most + 1, f"{kind} size",
                                    f"{lines} lines, at most {most}")
                break


def function_spans(path, text):
    if path.endswith(".py"):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [(n.lineno, n.end_lineno) for n in ast.walk(ast.parse(text)) if isinstance(n, kinds)]
    return cpp_text.functions(text) if path.endswith((".h", ".cc", ".c")) else []


def check_functions(tree):
    for path, text in tree.files.items():
        data = cpp_text.raw_string_lines(text) if path.endswith((".h", ".cc")) else set()
        try:
            spans = function_spans(path, text)
        except SyntaxError as error:
            yield Violation(path, error.lineno or 1, "python syntax", str(error.msg))
            continue
        for first, last in spans:
            lines = sum(1 for line in range(first, last + 1) if line not in data)
            if lines > rules.FUNCTION_LINES:
                yield Violation(path, first, "function size",
                                f"{lines} lines, at most {rules.FUNCTION_LINES}")


def check_columns(tree):
    for path, text in tree.files.items():
        if not rules.COLUMN_FILES.search(path):
            continue
        data = cpp_text.raw_string_lines(text) if path.endswith((".h", ".cc")) else set()
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > rules.COLUMNS and number not in data:
                yield Violation(path, number, "columns", f"{len(line)}, at most {rules.COLUMNS}")


def check_texts(tree):
    for path, text in tree.files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if rules.LEFTOVER.search(line):
                yield Violation(path, number, "leftover", "finish it or file an issue")
            if rules.MACHINE_PATHS.search(line):
                yield Violation(path, number, "machine path", "name no place of one machine")


def sections_of(document):
    """The numbers of the headings of a document, and the labels (R4, P3) that it has anywhere."""
    numbers = set()
    for line in document.splitlines():
        if line.startswith("#"):
            numbers.update(re.findall(r"(?:^#+|,) (\d+(?:\.\d+)*)", line))
    return numbers | set(re.findall(r"\b[A-Z]\d+\b", document))


def check_citations(tree):
    documents = {path: sections_of(text) for path, text in tree.files.items()
                 if path.startswith("docs/") and path.endswith(".md")}
    for path, text in tree.files.items():
        if not rules.CITING_FILES.search(path):
            continue
        for match in rules.CITATION.finditer(text):
            document = f"docs/{match['name']}.md"
            line = cpp_text.line_of(text, match.start())
            if document not in documents:
                if path.endswith((".py", ".sh")) and not match["sections"]:
                    continue  # scripts have files of such names
                yield Violation(path, line, "citation", f"there is no {document}")
                continue
            for section in rules.SECTION.findall(match["sections"] or ""):
                if section not in documents[document]:
                    yield Violation(path, line, "citation", f"{document} has no {section}")


def check_headers(tree):
    for path, text in tree.cpp():
        if path.endswith(".h") and "#pragma once" not in text:
            yield Violation(path, 1, "pragma once", "headers begin with it after the comment")


def build_lists(tree):
    """All words of the CMake files, as paths from the root."""
    named = set()
    for path, text in tree.files.items():
        if path.endswith(("CMakeLists.txt", ".cmake")):
            folder = path.rpartition("/")[0]
            for word in re.findall(r"[\w./${}-]+\.(?:cc|c|py|sh)\b", text):
                word = word.replace("${CMAKE_SOURCE_DIR}/", "//").replace(
                    "${CMAKE_CURRENT_SOURCE_DIR}/", "")
                place = word[2:] if word.startswith("//") else f"{folder}/{word}"
                named.add(os.path.normpath(place))
    return named


def check_dead_files(tree):
    listed = build_lists(tree)
    included = {name for _, text in tree.cpp() for _, _, name in cpp_text.includes(text)}
    everything = {path: text for path, text in tree.files.items() if not path.endswith(".md")}
    for path in tree.files:
        if path.startswith(rules.CODE_ROOMS) and path.endswith(".cc") and path not in listed:
            yield Violation(path, 1, "dead file", "no CMakeLists.txt lists it")
        if path.startswith(rules.CODE_ROOMS) and path.endswith(".h") and path not in included:
            yield Violation(path, 1, "dead file", "nothing includes it")
        if path.startswith(("tools/", "bench/")) and path.endswith((".py", ".sh", ".c")):
            name = path.rpartition("/")[2]
            stem = name.rpartition(".")[0]
            word = re.compile(rf"\b{re.escape(name)}|import {stem}\b|\"{stem}\"")
            if not any(word.search(text) for other, text in everything.items() if other != path):
                yield Violation(path, 1, "dead file", "nothing names it")


CHECKS = (check_includes, check_banned_calls, check_sql, check_sizes, check_functions,
          check_columns, check_texts, check_citations, check_headers, check_dead_files)


def run(root):
    """All violations below the root, by path and line."""
    tree = Tree(root)
    return sorted(found for check in CHECKS for found in check(tree))
