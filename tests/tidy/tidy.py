#!/usr/bin/env python3
"""tidy.py ROOT: checks a source tree against rules.py and prints each violation; exit 1 if any."""
import sys

import checks


def main():
    found = checks.run(sys.argv[1])
    for violation in found:
        print(f"{violation.path}:{violation.line}: {violation.rule}: {violation.message}")
    print(f"tidy: {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
