// npm run demo: an orchestrator and five agents, each a process, over ringbell/rpc. It hands out typed tasks, shows progress, cancels one,
// kills an agent in the middle, and lets a monitor attach while it runs.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { styleText } from "node:util";
import { testNamespace } from "../../dist/index.js";
import { serve } from "../../dist/rpc/index.js";
import { team } from "./contract.mjs";
import { Log } from "./log.mjs";
import { Member } from "./member.mjs";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const NAMES = ["walker", "hasher", "counter", "reader", "mathematician"];
/** Files that are worked on. */
const FILES = 200;
/** The counter is killed after so many of its tasks. */
const KILL_AFTER = 60;
/** A task that would take for ever, and when it is cancelled. */
const ENDLESS = 1e12;
const PATIENCE = 700;

const colours = process.stdout.isTTY && !process.env.NO_COLOR;
const shades = ["cyan", "green", "yellow", "magenta", "blue"];

/** @param {string} who @param {string} what @param {any} shade */
function line(who, what, shade) {
  const head = who.padEnd(13);
  console.log(`${colours ? styleText(shade, head) : head} │ ${what}`);
}

/** @param {{ agent: string, what: string }} event */
function print({ agent, what }) {
  line(agent === "" ? "orchestrator" : agent, what, shades[NAMES.indexOf(agent)] ?? "bold");
}

const space = testNamespace();
const log = new Log(print);
const members = NAMES.map((name) => new Member(name, log, space.place));
const [walker, hasher, counter, reader, mathematician] = members;

const service = await serve(
  team,
  {
    status: () => members.map(({ name, pid, done, state }) => ({ name, pid, done, state })),
    events: (_, call) => log.watch(call.signal),
  },
  { ...space.place },
);
let monitor;
try {
  await Promise.all(members.map((member) => member.start()));
  const began = performance.now();
  const [work] = await Promise.all([onFiles(), onNumbers()]);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  log.add(
    "",
    `${work.files} files, ${work.bytes} bytes, ${work.words} words, ${work.symbols} exports in ${seconds} s`,
  );
} finally {
  await Promise.all(members.map((member) => member.stop()));
  // What the monitor has not read yet still goes out.
  await sleep(50);
  await service.close();
  if (monitor !== undefined) await once(monitor, "close");
  await space.close();
}

/** The four agents that work on files: one finds them, three work on each, all at the same time. */
async function onFiles() {
  const files = [];
  await walker.do("walking", async (client) => {
    files.length = 0;
    for await (const file of client.walk({ directory: ROOT, most: FILES })) files.push(file);
  });
  log.add(walker.name, `found ${files.length} files, one after the other, by a stream`);
  monitor = attach();
  const each = async (member, what, task, then = (_count) => {}) => {
    const results = [];
    for (const { path } of files) {
      results.push(await member.do(what, (client) => task(client, path)));
      then(results.length);
    }
    log.add(member.name, `${results.length} tasks done`);
    return results;
  };
  const [hashes, counts, symbols] = await Promise.all([
    each(hasher, "hashing", (client, path) => client.hash({ path }, { timeout: 10_000 })),
    each(
      counter,
      "counting",
      (client, path) => client.words({ path }, { timeout: 10_000 }),
      (count) => {
        if (count !== KILL_AFTER) return;
        log.add("", `kills the counter (process ${counter.pid}) after ${count} of its tasks`);
        counter.kill();
      },
    ),
    each(reader, "reading", (client, path) => client.symbols({ path }, { timeout: 10_000 })),
  ]);
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  return {
    files: files.length,
    bytes: sum(hashes.map(({ bytes }) => bytes)),
    words: sum(counts.map(({ words }) => words)),
    symbols: sum(symbols.map(({ length }) => length)),
  };
}

/** The agent that computes: one task to its end, and one that is cancelled. */
async function onNumbers() {
  let shown = 0;
  const onProgress = (share) => {
    if (share - shown < 0.25) return;
    shown = share;
    log.add(mathematician.name, `primes below 4,000,000: ${Math.round(share * 100)} %`);
  };
  const count = await mathematician.do("primes", (client) => client.primes({ below: 4e6 }, { onProgress }));
  log.add(mathematician.name, `primes below 4,000,000: ${count}`);
  log.add(mathematician.name, "primes below 1,000,000,000,000, which it would compute for days");
  const cancelled = await mathematician
    .do("primes", (client) => client.primes({ below: ENDLESS }, { timeout: PATIENCE }))
    .catch((error) => error);
  if (cancelled.code !== "ERR_RINGBELL_TIMEOUT")
    throw new Error("the task was not cancelled", { cause: cancelled });
  const asked = performance.now();
  await mathematician.client.primes({ below: 10 });
  const free = Math.round(performance.now() - asked);
  log.add(mathematician.name, `cancelled after ${PATIENCE} ms, and free for the next task ${free} ms later`);
}

/** Starts a monitor, as somebody else would in another terminal. */
function attach() {
  log.add("", `a monitor attaches: node demo/team/monitor.mjs ${space.place.directory}`);
  const program = fileURLToPath(new URL("monitor.mjs", import.meta.url));
  const child = spawn(process.execPath, [program, space.place.directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  createInterface({ input: child.stdout }).on("line", (text) => line("  monitor", text, "dim"));
  return child;
}
