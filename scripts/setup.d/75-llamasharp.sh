#!/usr/bin/env bash
# LLamaSharp and its CPU backend (150 MB unpacked), for the test that builds and runs the engine over it. Where the package feed does not
# have them, that test skips by name.
set -euo pipefail
project="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/Cocoon.Enclave/Inference/LLamaSharp"
assets="$project/obj/project.assets.json"
if [ "$assets" -nt "$project/Cocoon.Enclave.LLamaSharp.csproj" ] && grep -q '"LLamaSharp.Backend.Cpu/' "$assets"; then
    exit 0
fi
dotnet restore "$project" -v quiet -nologo >&2 || { rm -f "$assets"; echo "LLamaSharp's packages cannot be restored: the engine over it is not built" >&2; }
