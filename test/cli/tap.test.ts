import { on } from "node:events";
import { readdirSync, readFileSync, readlinkSync, statSync, watch, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { connect } from "../../lib/index.js";
import { loadBinding, tryBinding } from "../../lib/native/load.js";
import { askForMemory } from "../../lib/transport/handshake/showing.js";
import { dial } from "../../lib/transport/places/dial.js";
import { resolveAddress } from "../../lib/transport/places/names.js";
import { Tap } from "../../lib/watch/index.js";
import { Child } from "../channel/children.js";
import { scratchDirectory } from "../transport/scratch.js";
import { program, ringbell } from "./run.js";

const cli = (...args: string[]) => new Child("../../../dist/cli/main.js", args);

/** A process that listens and sends what it is told, and a peer of it in this process. */
async function talking(options: object = {}, codec = "json", connecting: object = {}) {
  const directory = scratchDirectory();
  const talker = await program(
    "talker.mjs",
    "prices",
    JSON.stringify({ directory, tap: true, ...options }),
    codec,
  );
  const peer = await connect<unknown>("prices", { directory, role: "agent", ...connecting });
  await talker.says();
  return { directory, talker, peer };
}

/** The size on disk, in blocks, of the shared memory that a listener holds. */
function allocated(pid: number): number {
  const held = readdirSync(`/proc/${pid}/fd`).map((name) => `/proc/${pid}/fd/${name}`);
  return statSync(held.find((path) => readlinkSync(path).startsWith("/memfd:ringbell"))!).blocks;
}

/** Runs a command that watches; resolves when it does, with what it says before that. */
async function watching(command: string, directory: string, ...args: string[]) {
  const child = cli(command, "prices", "-d", directory, "--json", ...args);
  const opened = [await child.says(), await child.says()];
  return { child, opened };
}

describe.skipIf(process.platform !== "linux" || tryBinding() === undefined)("ringbell tap", () => {
  it("shows what passes, both ways, each message once and in order (S0.18)", async () => {
    const { directory, talker, peer } = await talking();
    const { child, opened } = await watching("tap", directory, "--count", "2001");
    expect(opened).toMatchObject([
      {
        type: "open",
        lane: "main",
        way: "out",
        peer: { pid: process.pid, role: "agent" },
        codec: { name: "json" },
      },
      { type: "open", lane: "main", way: "in" },
    ]);
    peer.on("message", () => {});
    await peer.send({ hello: 1 });
    expect(await child.says()).toMatchObject({ type: "message", way: "in", number: 0, value: { hello: 1 } });
    talker.tell(JSON.stringify({ many: 2000 }));
    for (let i = 0; i < 2000; i++)
      expect(await child.says()).toMatchObject({ way: "out", number: i, value: { i } });
    await child.exited;
    expect(child.process.exitCode).toBe(0);
    await peer.close();
  });

  it("costs those who talk nothing: no bell, no wait, and memory that can't be written", async () => {
    const { directory, talker, peer } = await talking();
    const before = peer.stats();
    const tap = new Tap("prices", { directory });
    await tap.look();
    for (let i = 0; i < 1000; i++) tap.read();
    const after = peer.stats();
    expect([after.bells, after.parks, after.lanes]).toEqual([before.bells, before.parks, before.lanes]);
    tap.close();
    const wire = await dial(resolveAddress("prices", { directory }), loadBinding());
    const { descriptor, lanes } = await askForMemory(wire, loadBinding(), peer.peer.id, 5000);
    expect(lanes).toMatchObject([{ name: "main", capacity: 262144, codec: { send: { name: "json" } } }]);
    expect(() => writeSync(descriptor, Buffer.from("x"), 0, 1, 0)).toThrow(
      expect.objectContaining({ code: "EBADF" }),
    );
    loadBinding().closeDescriptor(descriptor);
    talker.tell(JSON.stringify({ send: "still there" }));
    expect(await peer.receive()).toBe("still there");
    await peer.close();
  });

  it("says how many messages it has missed, and goes on behind them", async () => {
    const { directory, talker, peer } = await talking({ capacity: 4096 });
    peer.on("message", () => {});
    const tap = new Tap("prices", { directory });
    await tap.look();
    let [missed, next, wrong] = [0, 0, 0];
    const read = () => {
      for (const event of tap.read()) {
        if (event.type === "missed") {
          missed += event.count;
          next += event.count;
        }
        if (event.type !== "message" || event.stream.way === "in") continue;
        const { i, text } = JSON.parse(event.content.toString()) as { i: number; text: string };
        if (event.number !== next || i !== next % 100_000 || text !== "x".repeat(100)) wrong += 1;
        next += 1;
      }
    };
    // While the ring goes round thousands of times it is read, and then once not for a while.
    talker.tell(JSON.stringify({ many: 100_000, length: 100 }));
    let busy = true;
    const said = talker.says().then(() => {
      busy = false;
    });
    while (busy) {
      read();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await said;
    const readAll = () => {
      let last: number;
      do {
        last = next;
        read();
      } while (next !== last);
    };
    readAll();
    const before = missed;
    talker.tell(JSON.stringify({ many: 5000, length: 100 }));
    await talker.says();
    readAll();
    expect([next, wrong]).toEqual([105_000, 0]);
    expect(missed - before).toBeGreaterThan(4000);
    tap.close();
    await peer.close();
  });

  it("begins with what is still in the ring, taken already, if that is wished", async () => {
    const { directory, talker, peer } = await talking();
    talker.tell(JSON.stringify({ many: 3 }));
    for (let i = 0; i < 3; i++) expect(await peer.receive()).toMatchObject({ i });
    const { stdout } = await ringbell(["tap", "prices", "-d", directory, "--history", "--count", "3"]);
    expect(stdout).toMatch(/ out #0 \{"i":0,.*\n.* out #1 \{"i":1,.*\n.* out #2 \{"i":2,/);
    await peer.close();
  });

  it("finds the last messages, too, in a ring that was left quiet and has given its memory back", async () => {
    const { directory, talker, peer } = await talking();
    peer.on("message", () => {});
    // More than the ring holds.
    talker.tell(JSON.stringify({ many: 3000, length: 100 }));
    await talker.says();
    const { pid } = talker.process;
    const full = allocated(pid!);
    await expect.poll(() => allocated(pid!), { timeout: 20_000 }).toBeLessThan(full / 2);
    const { stdout } = await ringbell(["tap", "prices", "-d", directory, "--history", "--count", "2"]);
    expect(stdout).toMatch(/ out #2\d{3} \{"i":2\d{3},.*\n.* out #2\d{3} /);
    await peer.close();
  }, 60_000);

  it.each([
    ["text", "text", "grüße\u001b[2J", '"text"', "grüße?[2J"],
    ["clone", "clone", { list: [1] }, "clone", '{"list":[1]}'],
    ["struct", "{ id: u32, name: text }", { id: 5, name: "x" }, "struct", '{"id":5,"name":"x"}'],
    [
      "union",
      "union(type: tick { id: u32 } | bye {})",
      { type: "tick", id: 3 },
      "union",
      '{"type":"tick","id":3}',
    ],
  ])(
    "decodes messages of %s, by the schema that the endpoint tells, and shows no control characters",
    async (codec, schema, message, _, shown) => {
      const directory = scratchDirectory();
      const options = JSON.stringify({ directory, tap: true });
      const talker = await program("talker.mjs", "prices", options, codec);
      const peer = new Child("../../cli/programs/listener-of.mjs", [
        "prices",
        JSON.stringify({ directory }),
        codec,
      ]);
      await talker.says();
      talker.tell(JSON.stringify({ send: message }));
      await peer.says();
      const { stdout } = await ringbell([
        "tap",
        "prices",
        "-d",
        directory,
        "--history",
        "--way",
        "out",
        "--count",
        "1",
      ]);
      const [open, line] = stdout.split("\n");
      if (codec === "struct" || codec === "union") expect(open).toContain(`${codec} ${schema}`);
      expect(line).toContain(` out #0 ${shown}`);
    },
  );

  it("shows only what the filter lets through", async () => {
    const { directory, talker, peer } = await talking();
    peer.on("message", () => {});
    const { child } = await watching("tap", directory, "--filter", '/"i":\\d*7,/', "--count", "3");
    talker.tell(JSON.stringify({ many: 30 }));
    for (const i of [7, 17, 27]) expect(await child.says()).toMatchObject({ value: { i } });
    await child.exited;
    const { code, stderr } = await ringbell(["tap", "prices", "-d", directory, "--filter", "/(/"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("--filter is no pattern")]);
    await peer.close();
  });

  it("is refused where the process does not allow it, and where there is no memory to show", async () => {
    const quiet = await talking({ tap: false });
    const refused = await ringbell(["tap", "prices", "-d", quiet.directory]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/RINGBELL_TAP=1.*\(ERR_RINGBELL_REFUSED\)/),
    ]);
    await quiet.peer.close();
    const stream = await talking({ transport: "stream" });
    const { code, stderr } = await ringbell(["tap", "prices", "-d", stream.directory]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("ERR_RINGBELL_TRANSPORT")]);
    await stream.peer.close();
    const none = await ringbell(["tap", "nobody", "-d", stream.directory]);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("ERR_RINGBELL_NOT_FOUND")]);
    expect(await ringbell(["tap"])).toMatchObject({ code: 2 });
  });

  it("is allowed by the environment, too", async () => {
    const directory = scratchDirectory();
    const options = JSON.stringify({ directory });
    const talker = new Child("../../cli/programs/talker.mjs", ["prices", options], { RINGBELL_TAP: "1" });
    await talker.says();
    const peer = await connect("prices", { directory });
    const tap = new Tap("prices", { directory });
    expect(await tap.look()).toHaveLength(2);
    tap.close();
    await peer.close();
  });

  it("follows peers that come and go, and ends with the process that it watches", async () => {
    const { directory, talker, peer } = await talking();
    const { child } = await watching("tap", directory);
    await peer.close();
    expect([await child.says(), await child.says()]).toMatchObject([{ type: "end" }, { type: "end" }]);
    const second = await connect<unknown>("prices", { directory, role: "second" });
    await second.send("early");
    const opened = [await child.says(), await child.says()];
    expect(opened).toMatchObject([{ type: "open", peer: { role: "second" } }, { type: "open" }]);
    // What came before the tap knew of the channel is not lost.
    expect(await child.says()).toMatchObject({ type: "message", value: "early" });
    await talker.kill();
    await child.exited;
    expect(child.process.exitCode).toBe(0);
  });
});

describe.skipIf(process.platform !== "linux" || tryBinding() === undefined)(
  "ringbell record and replay",
  () => {
    it("send again what peers have sent, and show what was recorded, also after the recorder was killed", async () => {
      const { directory, talker, peer } = await talking();
      const path = join(directory, "prices.rec");
      const tapped = await watching("tap", directory, "--count", "50");
      const recorder = new Child("../../../dist/cli/main.js", ["record", "prices", path, "-d", directory]);
      await expect(recorder.says()).rejects.toThrow(SyntaxError);
      for (let i = 0; i < 50; i++) await peer.send({ question: i });
      for (let i = 0; i < 50; i++) expect(await talker.says()).toEqual({ got: { question: i } });
      for (let i = 0; i < 50; i++) await tapped.child.says();
      await whenFileHas(path, '{"question":49}');
      await recorder.kill();
      await peer.close();

      const shown = await ringbell(["replay", path, "--json"]);
      const lines = shown.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { type: string; value?: unknown });
      expect(lines.filter(({ type }) => type === "message").map(({ value }) => value)).toEqual(
        Array.from({ length: 50 }, (_, question) => ({ question })),
      );
      expect((await ringbell(["replay", path])).stdout).toMatch(/^the recording was cut off/);

      const replayed = await ringbell(["replay", path, "prices", "-d", directory, "--speed", "10"]);
      expect([replayed.code, replayed.stderr]).toEqual([0, ""]);
      expect(replayed.stdout).toMatch(/50 messages sent, 0 received/);
      const heard: unknown[] = [];
      while (heard.length < 51) heard.push(await talker.says());
      expect(heard).toEqual([
        { state: "connected" },
        ...Array.from({ length: 50 }, (_, question) => ({ got: { question } })),
      ]);
    });

    it("finish the file when so many messages came, and refuse one that is there, or that is damaged", async () => {
      const { directory, peer } = await talking();
      const path = join(directory, "prices.rec");
      await peer.send({ a: 1 });
      const args = ["record", "prices", path, "-d", directory, "--history", "--count", "1"];
      const { code, stdout } = await ringbell(args);
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^1 message recorded; /m)]);
      const again = await ringbell(args);
      expect([again.code, again.stderr]).toEqual([
        1,
        expect.stringContaining("is there already; --replace writes over it"),
      ]);
      expect(await ringbell([...args, "--replace"])).toMatchObject({ code: 0 });
      const notOne = await ringbell(["replay", process.execPath]);
      expect([notOne.code, notOne.stderr]).toEqual([1, expect.stringContaining("ERR_RINGBELL_RECORDING")]);
      await peer.close();
    });

    it("make no file where watching is refused", async () => {
      const { directory, peer } = await talking({ tap: false });
      const path = join(directory, "prices.rec");
      expect(await ringbell(["record", "prices", path, "-d", directory])).toMatchObject({ code: 1 });
      expect(() => readFileSync(path)).toThrow("ENOENT");
      await peer.close();
    });
  },
);

/** Resolves when the file has this text. */
async function whenFileHas(path: string, text: string): Promise<void> {
  const changes = watch(path);
  try {
    // The watch begins first, so that no change is missed.
    if (readFileSync(path).includes(text)) return;
    for await (const _ of on(changes, "change")) if (readFileSync(path).includes(text)) return;
  } finally {
    changes.close();
  }
}
