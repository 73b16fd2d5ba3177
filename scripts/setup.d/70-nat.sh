#!/bin/sh
# nftables and iproute2 for the NAT tests, which build their networks from namespaces. Without root those tests are skipped.
set -eu
[ "$(uname -s)" = Linux ] || exit 0
PATH=$PATH:/usr/sbin:/sbin
if command -v nft >/dev/null && command -v ip >/dev/null; then
  exit 0
fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get install -y -qq nftables iproute2 || { apt-get update -qq && apt-get install -y -qq nftables iproute2; } && exit 0
fi

echo "note: nftables or iproute2 is missing; the NAT tests are skipped" >&2
