#!/usr/bin/env python3
"""docs_test.py SOURCE: every file, folder, link and heading that the documents name exists.

A name is a word in backticks that begins with a file or folder of the repository's root. What
stands in a fence is an example and may name files to be made; what holds `<name>` or `NNNN` is a
pattern.
"""
import pathlib
import re
import sys
import unittest

SOURCE = pathlib.Path(sys.argv[1])
MADE_BY_BUILDS = ("build", ".demo")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`([\w.\-/]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def documents():
    return [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md"))]


def prose(path):
    return FENCE.sub("", path.read_text())


def wrong_names(text):
    roots = {entry.name for entry in SOURCE.iterdir()} - set(MADE_BY_BUILDS)
    names = {name for name in NAME.findall(text) if name.split("/")[0] in roots}
    return sorted(name for name in names if "NNNN" not in name and not (SOURCE / name).exists())


def anchors(text):
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def wrong_links(path, text):
    wrong = []
    for link in LINK.findall(text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (anchor and anchor not in anchors(prose(target))):
            wrong.append(link)
    return wrong


class DocsTest(unittest.TestCase):
    def test_names_exist(self):
        for path in documents():
            with self.subTest(path.name):
                self.assertEqual(wrong_names(prose(path)), [])

    def test_links_lead_somewhere(self):
        for path in documents():
            with self.subTest(path.name):
                self.assertEqual(wrong_links(path, prose(path)), [])

    def test_a_wrong_name_is_found(self):
        self.assertEqual(wrong_names("`core/lost.h`, `core/base/result.h`, `core/<x>.h`, `a/b`"),
                         ["core/lost.h"])
        self.assertEqual(wrong_links(SOURCE / "README.md", "[a](docs/lost.md) [b](#nowhere)"),
                         ["docs/lost.md", "#nowhere"])

    def test_the_way_of_an_attempt_is_told_by_many_files(self):
        names = set(NAME.findall((SOURCE / "docs/architecture.md").read_text()))
        self.assertGreater(sum(name.endswith((".cc", ".h")) for name in names), 30)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
