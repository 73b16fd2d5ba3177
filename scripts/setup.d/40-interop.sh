#!/bin/sh
# The js-libp2p peer of the interop tests: scripts/interop/node_modules, from the lockfile.
set -eu
cd "$(dirname "$0")/../interop"
stamp=node_modules/.cocoon-lock
if [ -f "$stamp" ] && cmp -s package-lock.json "$stamp"; then
  exit 0
fi

npm ci --omit=optional --no-audit --no-fund --ignore-scripts --loglevel=error
cp package-lock.json "$stamp"
