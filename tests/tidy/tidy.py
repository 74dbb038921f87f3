#!/usr/bin/env python3
"""tidy.py [ROOT]: checks a source tree against rules.py and prints each violation; exit 1 if any.

Without ROOT it checks the repository that it is part of.
"""
import pathlib
import sys

import checks


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__ + "/../../..").resolve()
    if not (root / "CMakeLists.txt").is_file():
        print(f"tidy: {root} is no source tree", file=sys.stderr)
        return 2
    found = checks.run(root)
    for violation in found:
        print(f"{violation.path}:{violation.line}: {violation.rule}: {violation.message}")
    print(f"tidy: {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
