// Begins a handshake with named memory under a name, and stays in the middle of it: its peer never answers.

import { readdirSync } from "node:fs";
import { listen } from "../../../dist/index.js";

const server = await listen(process.argv[2], JSON.parse(process.argv[3]));
const prefix = `ringbell-${process.pid.toString(36)}-`;
const look = () => {
  const names = readdirSync("/dev/shm").filter((file) => file.startsWith(prefix));
  if (names.length > 0) process.stdout.write(`${JSON.stringify({ state: "offering", names })}\n`);
  else setImmediate(look);
};
process.stdout.write(`${JSON.stringify({ state: "listening", path: server.path })}\n`);
look();
