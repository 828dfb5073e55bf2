// To compare two builds while working on one: the best and the median of forty short rounds, unpinned.
//
//   node bench/builds.mjs sync|bytes|loop|batch|flood|iterate [spin]
//
// sync: round trips by sendSync and receiveSync; bytes: the same with bytes() instead of struct(); loop: by listeners; batch:
// sendManySync to receiveManySync; flood: trySend to a listener; iterate: trySend to a `for await` loop. Run the builds in turns,
// several times each. What is claimed comes from `npm run bench`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytes, connect, f64, listen, struct, u32 } from "../dist/index.js";

const ROUNDS = 40;
const [mode = "loop", spinText = "adaptive", given] = process.argv.slice(2);
const codec = mode === "bytes" ? bytes() : struct({ id: u32, flags: u32, price: f64, size: f64, time: f64 });
const message =
  mode === "bytes" ? new Uint8Array(32).fill(1) : { id: 1, flags: 2, price: 2.5, size: 3.5, time: 4.5 };
const spin = spinText === "adaptive" ? spinText : Number(spinText);

/** What one round does at this end; returns the number of messages or round trips. */
const drives = {
  sync(channel) {
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      channel.sendSync(message);
      channel.receiveSync();
    }
    return count;
  },
  bytes: (channel) => drives.sync(channel),
  async loop(channel) {
    const count = spin === 0 ? 2_000 : 10_000;
    await new Promise((resolve) => {
      let left = count;
      const onMessage = () => {
        if (--left > 0) {
          channel.trySend(message);
        } else {
          channel.off("message", onMessage);
          resolve();
        }
      };
      channel.on("message", onMessage);
      channel.trySend(message);
    });
    return count;
  },
  async batch(channel) {
    const batch = Array.from({ length: 1024 }, (_, id) => ({ ...message, id }));
    for (let i = 0; i < 400; i++) channel.sendManySync(batch);
    await channel.flush();
    return 400 * batch.length;
  },
  async flood(channel) {
    const count = 200_000;
    for (let i = 0; i < count; ) {
      if (channel.trySend(message)) i++;
      else await once(channel, "drain");
    }
    await channel.flush();
    return count;
  },
  iterate: (channel) => drives.flood(channel),
};

/** What the other end does, until the channel is closed. */
const answers = {
  sync(channel) {
    for (;;) channel.sendSync(channel.receiveSync());
  },
  bytes: (channel) => answers.sync(channel),
  loop: (channel) => void channel.on("message", (received) => channel.send(received)),
  batch(channel) {
    for (;;) channel.receiveManySync(1024);
  },
  flood: (channel) => void channel.on("message", () => {}),
  async iterate(channel) {
    for await (const _ of channel);
  },
};

if (!(mode in drives)) {
  console.error(`modes: ${Object.keys(drives).join(", ")}`);
  process.exit(2);
}
if (given !== undefined) {
  const channel = await connect("builds", { codec, spin, directory: given });
  try {
    await answers[mode](channel);
  } catch (error) {
    if (error.code !== "ERR_RINGBELL_CLOSED") throw error;
  }
} else {
  const directory = mkdtempSync(join(tmpdir(), "ringbell-builds-"));
  const server = await listen("builds", { codec, spin, directory });
  spawn(process.execPath, [process.argv[1], mode, spinText, directory], { stdio: "inherit" });
  const channel = await server.accept();
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begin = process.hrtime.bigint();
    const count = await drives[mode](channel);
    rounds.push(Number(process.hrtime.bigint() - begin) / count);
  }
  rounds.sort((a, b) => a - b);
  console.log(`${mode}: best ${rounds[0].toFixed(1)} ns, median ${rounds[ROUNDS / 2].toFixed(1)} ns`);
  await channel.close();
  await server.close();
  rmSync(directory, { recursive: true });
}
