#!/usr/bin/env bash
# The pinned llama.cpp libraries; instant when they are there.
set -euo pipefail
"$(dirname "${BASH_SOURCE[0]}")/../llama" >/dev/null
