#!/usr/bin/env bash
# Chat templates of public models and the Jinja implementation that they are compared with: scripts/templates/node_modules, from the lock file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../templates"
stamp=node_modules/.cocoon-lock
if [[ -f "$stamp" ]] && cmp -s package-lock.json "$stamp"; then
    exit 0
fi
npm ci --omit=optional --no-audit --no-fund --ignore-scripts --silent >&2
cp package-lock.json "$stamp"
