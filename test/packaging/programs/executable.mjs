// The program of a single executable, with the addon as an asset: see docs/bundlers.md.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getAsset } from "node:sea";
import { connect, listen } from "ringbell";

async function main() {
  const addon = join(mkdtempSync(join(tmpdir(), "app-")), "ringbell.node");
  writeFileSync(addon, new Uint8Array(getAsset("ringbell.node")));
  const server = await listen("app", { addon });
  const channel = await connect("app");
  console.log(channel.transport); // shm
  await server.close();
}
main();
