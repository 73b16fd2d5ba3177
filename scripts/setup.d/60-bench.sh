#!/usr/bin/env bash
# The peer that scripts/bench measures beside ours: scripts/bench.d/node_modules, at the versions of the lock file. Linux x64 only.
# Not "npm ci": some platforms' optional packages were never published at this version, and it insists on their entries.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../bench.d"
[[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ]] || exit 0
stamp=node_modules/.cocoon-lock
if [[ -f "$stamp" ]] && cmp -s package-lock.json "$stamp"; then
    exit 0
fi
npm install --omit=optional --no-save --no-audit --no-fund --ignore-scripts --silent >&2
cp package-lock.json "$stamp"
