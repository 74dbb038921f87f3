#!/bin/sh
# bootstrap.sh build|test|bench: installs what is missing for that purpose, and nothing else.
#   - packages of cmake/packages.txt, by apt-get: as root or by sudo, else it prints the line and
#     ends with exit code 2;
#   - Arrow C++: of the system if >= 21, else the pinned pyarrow wheel in build/venv (it carries the
#     headers and libraries of the official release; cmake/arrow.cmake links them by full path);
#   - Node for the page: of the system if >= 20.19, else the pinned wheel in build/venv;
#   - for test: other engines as oracles in build/venv, Airflow's client in build/clients;
#   - for bench: rivals in build/venv-bench.
# Wheels are pinned by hash (tools/requirements). A run with everything in place changes nothing.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:?usage: bootstrap.sh build|test|bench}

# The packages of packages.txt wanted for $purpose, alternatives separated by "|", one a line.
wanted_packages() {
  sed -e 's/#.*//' -e 's/[[:space:]]*|[[:space:]]*/|/g' -e '/^[[:space:]]*$/d' cmake/packages.txt |
    while read -r first rest; do
      case $first in
        "[$purpose]") echo "$rest" ;;
        "["*) ;;
        *) echo "$first" ;;
      esac
    done
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# The first of the alternatives "a|b" that apt knows; the first of all if it knows none.
choose() {
  for name in $(echo "$1" | tr '|' ' '); do
    if apt-cache show --no-all-versions "$name" >/dev/null 2>&1; then echo "$name"; return; fi
  done
  echo "${1%%|*}"
}

missing_packages() {
  wanted_packages | while read -r alternatives; do
    found=
    for name in $(echo "$alternatives" | tr '|' ' '); do
      if installed "$name"; then found=yes; break; fi
    done
    [ -n "$found" ] || choose "$alternatives"
  done | tr '\n' ' '
}

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "packages   no dpkg here: install by hand what cmake/packages.txt names" >&2
    return
  fi
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  # A fresh image has no package lists: names can only be chosen after an update.
  sudo=
  if [ "$(id -u)" != 0 ]; then
    sudo=sudo
    if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      echo "packages   missing, and neither root nor sudo here. Run this as root, then again:" >&2
      echo "  apt-get update && apt-get install -y --no-install-recommends $missing" >&2
      exit 2
    fi
  fi
  echo "packages   $sudo apt-get update"
  $sudo apt-get update -q >/dev/null
  missing=$(missing_packages)
  echo "packages   $sudo apt-get install -y --no-install-recommends $missing"
  $sudo env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends $missing >/dev/null
}

# wheels VENV SET: the pinned wheels of tools/requirements/SET.txt in VENV, unless they are there.
wheels() {
  pins=tools/requirements/$2.txt
  stamp=$1/.installed-$2
  if [ -f "$stamp" ] && cmp -s "$stamp" "$pins"; then return 0; fi
  echo "wheels     $2 -> $1"
  if [ ! -x "$1/bin/pip" ]; then python3 -m venv "$1"; fi
  "$1/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: \
    --require-hashes -r "$pins" && cp "$pins" "$stamp"
}

# client RELEASE: Airflow's official client in a folder of its own, so that each release is itself.
client() {
  pins=tools/requirements/client-$1.txt
  stamp=build/clients/$1/.installed
  if [ -f "$stamp" ] && cmp -s "$stamp" "$pins"; then return 0; fi
  echo "wheels     client $1 -> build/clients/$1"
  rm -rf "build/clients/$1"
  build/venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
    --require-hashes --target "build/clients/$1" -r "$pins" && cp "$pins" "$stamp"
}

system_arrow() { pkg-config --atleast-version=21 arrow parquet 2>/dev/null; }

system_node() {
  command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number);
    process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

# pip knows a company's certificates only if it is told.
bundle=/etc/ssl/certs/ca-certificates.crt
if [ -f "$bundle" ]; then export PIP_CERT="${PIP_CERT:-$bundle}"; fi

install_packages
case $purpose in
  build|test) system_node || wheels build/venv node ;;
esac
case $purpose in
  build) system_arrow || wheels build/venv arrow ;;
  test)
    wheels build/venv test
    for release in 3.2.1 3.3.2; do client $release; done ;;
  bench)
    system_arrow || wheels build/venv arrow
    wheels build/venv-bench bench
    # HyperQueue has wheels for x86-64 only; the table says so where it is absent.
    wheels build/venv-bench hyperqueue || echo "wheels     hyperqueue: none for this machine" ;;
  *) echo "bootstrap.sh: unknown purpose $purpose" >&2; exit 2 ;;
esac
