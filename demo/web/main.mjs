// npm run demo:web: an agent that goes on when its windows are closed. Four processes over ringbell, and as many windows as you like.
//
//     node demo/web/main.mjs [--port PORT] [--speed TIMES]

import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs, styleText } from "node:util";
import { testNamespace } from "../../dist/index.js";

const { values } = parseArgs({ options: { port: { type: "string" }, speed: { type: "string" } } });
const space = testNamespace();
const transcript = join(space.place.directory, "transcript.txt");
const env = {
  ...process.env,
  ...space.env,
  DEMO_SECRET: randomBytes(32).toString("base64url"),
  DEMO_SPEED: values.speed ?? "1",
  DEMO_PORT: values.port ?? "0",
};
const colours = process.stdout.isTTY && !process.env.NO_COLOR;
const styled = (style, text) => (colours ? styleText(style, text) : text);

/** How long a process may take to end in order, in ms, and how long to wait before one is started again. */
const PATIENCE = 3000;
const AGAIN = 1000;

let ending = false;
const children = new Map();

/** Starts a process, and starts it again when it dies. */
function start(name, args = []) {
  const program = fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
  const child = fork(program, args, { env, stdio: ["ignore", "inherit", "inherit", "ipc"] });
  children.set(name, child);
  child.on("exit", async (code, signal) => {
    if (ending) return;
    console.log(`${name} has ended (${signal ?? `exit code ${code}`}); it is started again`);
    await sleep(AGAIN);
    if (!ending) start(name, args);
  });
  if (name === "daemon") child.on("message", heard);
  return child;
}

function heard({ port, link }) {
  // The next daemon serves the same windows.
  if (port !== undefined) env.DEMO_PORT = String(port);
  console.log(`\n  ${styled("bold", "Open")}  ${styled("cyan", link)}`);
  console.log(styled("dim", "        The link is good once. Press Enter for another one, Ctrl-C to end.\n"));
}

async function stop(name) {
  const child = children.get(name);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  await exit;
  clearTimeout(late);
}

async function end() {
  if (ending) return;
  ending = true;
  lines.close();
  await stop("daemon");
  await Promise.all(["scribe", "model", "tools"].map(stop));
  await space.close();
  console.log("ended; nothing is left");
}

const lines = createInterface({ input: process.stdin });
lines.on("line", () => children.get("daemon").connected && children.get("daemon").send("link"));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, end);

start("model");
start("tools");
start("daemon");
start("scribe", [transcript]);
console.log(
  [
    "An agent works in processes of its own. Close its windows, and it goes on.",
    styled("dim", `  transcript       tail -f ${transcript}`),
    styled(
      "dim",
      `  other terminal   npx ringbell ls -d ${space.place.directory} -n ${space.place.namespace}`,
    ),
    styled("dim", "  try              kill -9 one of the processes that it lists"),
  ].join("\n"),
);
