#!/usr/bin/env bash
# For the tests of GPU offload on machines without a GPU: Mesa's software Vulkan (Debian packages, when this may install any) and the
# Vulkan build of llama.cpp in artifacts/natives-vulkan. Where it cannot be had, the tests skip by name.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
[[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ]] || exit 0
if ! ls /usr/share/vulkan/icd.d/lvp_icd*.json >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
    { apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers libvulkan1 \
        || { apt-get update -qq && apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers libvulkan1; }; } >&2 || exit 0
fi
COCOON_NATIVES="$root/artifacts/natives-vulkan" "$root/scripts/llama" --variant vulkan >/dev/null
