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

process.exitCode = await runProgram(
  process.argv.slice(2),
  {
    print: (text) => void stdout.write(`${text}\n`),
    style: styleFor(stdout, process.env),
    width: stdout.isTTY ? Math.max(stdout.columns || 80, NARROWEST) : undefined,
  },
  (text) => void stderr.write(`${text}\n`),
);
