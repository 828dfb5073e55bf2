#!/usr/bin/env node
import { runProgram } from "./program.js";
import { styleFor } from "./style.js";

/** The narrowest terminal for which tables are laid out. */
const NARROWEST = 60;

const { stdout, stderr } = process;
// EPIPE means that the reader has read enough (`ringbell ls | head`).
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit();
  throw error;
});

const code = await runProgram(
  process.argv.slice(2),
  {
    print: (text) => void stdout.write(`${text}\n`),
    style: styleFor(stdout, process.env),
    width: stdout.isTTY ? Math.max(stdout.columns || 80, NARROWEST) : undefined,
  },
  (text) => void stderr.write(`${text}\n`),
);
// A command that failed may leave something open that would keep the process alive, such as the socket of a client of NATS that gave up.
if (code !== 0) process.exit(code);
