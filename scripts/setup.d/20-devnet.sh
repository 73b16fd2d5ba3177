#!/usr/bin/env bash
# Installs the devnet's pinned packages; nothing to do when the lock file has not changed since.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../devnet"

command -v npm >/dev/null || { printf 'error: npm was not found\nhint: install Node.js 20 or newer\n' >&2; exit 1; }
stamp=node_modules/.cocoon-lock
if [[ -f "$stamp" ]] && cmp -s package-lock.json "$stamp"; then
    exit 0
fi
npm ci --no-audit --no-fund --silent >&2
cp package-lock.json "$stamp"
