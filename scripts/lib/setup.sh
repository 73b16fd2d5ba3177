# Set-up steps shared by the scripts; each is idempotent and returns at once when there is nothing to do. To be sourced.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
configuration=${COCOON_CONFIGURATION:-Release}
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $1"
    [ $# -lt 2 ] || say "  fix  $2"
    exit 1
}

require_tools() {
    command -v dotnet >/dev/null || die "the .NET SDK is missing" "install .NET SDK 10: https://dotnet.microsoft.com/download"
    case $(dotnet --version 2>/dev/null) in
        10.* | 1[1-9].*) ;;
        *) die ".NET SDK 10 or later is needed, found $(dotnet --version 2>/dev/null || echo none)" "install .NET SDK 10" ;;
    esac
    command -v node >/dev/null || die "Node.js is missing" "install Node.js 20 or later (the development chain and the contract compiler use it)"
    [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || die "Node.js 20 or later is needed, found $(node --version)" "install Node.js 20 or later"
}

# setup_step NAME: runs scripts/setup.d/NAME.sh, which does nothing when all is there.
setup_step() {
    "$root/scripts/setup.d/$1.sh" >&2 || die "set-up step $1 failed" "check the network, then run the same command again"
}

setup_build() {
    say "building ($configuration)"
    dotnet build "$root/Cocoon.sln" -c "$configuration" -v quiet -clp:NoSummary -nologo >&2
}

# setup_build_once: builds unless the last build saw exactly these sources.
setup_build_once() {
    local stamp="$root/artifacts/build-$configuration.stamp" state
    state=$(cd "$root" && { git ls-files -s -- '*.cs' '*.csproj' '*.props' '*.proto' '*.boc' '*.gguf'; git diff HEAD -- '*.cs' '*.csproj' '*.props' '*.proto'; \
        git ls-files -o --exclude-standard -- '*.cs' '*.proto' | xargs -r sha256sum; } 2>/dev/null | sha256sum | cut -c1-64)
    if [ -f "$root/Cocoon.Node/bin/$configuration/net10.0/cocoon.dll" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ]; then
        return 0
    fi
    setup_build
    mkdir -p "$root/artifacts"
    printf '%s' "$state" >"$stamp"
}
