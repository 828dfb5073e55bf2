import { PassThrough } from "node:stream";
import { connect, json, listen, text } from "ringbell";
import { describe, expect, it } from "vitest";
import { join, type RelayOptions, relay } from "../../lib/relay/index.js";
import { ending, privateDirectory, program, until } from "../rpc/setup.js";

const node = (code: string) => [process.execPath, "-e", code];
/** Writes back what it reads. */
const ECHO = node("process.stdin.pipe(process.stdout)");
const PID = node("console.log(JSON.stringify(process.pid)); process.stdin.resume()");

async function relaying(command: readonly string[], options: RelayOptions = {}) {
  const directory = privateDirectory();
  const ends: string[] = [];
  const onChildEnd = (_: unknown, how: string) => void ends.push(how);
  ending(await relay("r", command, { ...options, onChildEnd, directory }));
  const texts = async () => ending(await connect("r", { directory, codec: text() }));
  const objects = async () => ending(await connect("r", { directory, codec: json() }));
  return { directory, texts, objects, ends };
}

describe("a relay to a program's standard streams", () => {
  it("passes on JSON text as it is, of which a parser would change something (S1.35)", async () => {
    const { texts } = await relaying(ECHO);
    const channel = await texts();
    const exact = '{ "n":12345678901234567890, "e":1.0e2, "a":1, "a":"\\u00fc" }';
    await channel.send(exact);
    expect(await channel.receive({ timeout: 10_000 })).toBe(exact);
  });

  it("makes one line of a text of several", async () => {
    const { texts } = await relaying(ECHO);
    const channel = await texts();
    await channel.send('{\r\n  "a": 1\n}');
    expect(await channel.receive({ timeout: 10_000 })).toBe('{   "a": 1 }');
  });

  it.each(["lines", "length", "content-length"] as const)(
    "serves peers with json(), by %s",
    async (framing) => {
      const { objects } = await relaying(ECHO, { framing });
      const channel = await objects();
      const messages = Array.from({ length: 100 }, (_, i) => ({ i, text: "ü\n".repeat(i * 100) }));
      const received: unknown[] = [];
      channel.on("message", (message) => received.push(message));
      for (const message of messages) await channel.send(message);
      await until(() => received.length === messages.length);
      expect(received).toEqual(messages);
    },
  );

  it("gives each client a child of its own", async () => {
    const { objects } = await relaying(PID);
    const channels = await Promise.all([objects(), objects(), objects()]);
    const pids = await Promise.all(channels.map((channel) => channel.receive({ timeout: 10_000 })));
    expect(new Set(pids).size).toBe(3);
  });

  it("ends the child with the client: one that closes, and one that is killed", async () => {
    const { objects, directory, ends } = await relaying(PID);
    const channel = await objects();
    await channel.receive({ timeout: 10_000 });
    await channel.close();
    await until(() => ends.length === 1);
    const killed = program(
      'const channel = await ringbell.connect("r", { directory }); await channel.receive(); report("there"); setInterval(() => {}, 1000);',
      directory,
    );
    await killed.said("there");
    killed.child.kill("SIGKILL");
    await until(() => ends.length === 2);
    expect(ends).toEqual(["exit code 0", "exit code 0"]);
  });

  it("ends the channel with the child, after all that it wrote", async () => {
    const { objects, ends } = await relaying(
      node(
        "for (let i = 0; i < 2000; i++) console.log(JSON.stringify('x'.repeat(1000))); process.exitCode = 3;",
      ),
    );
    let count = 0;
    for await (const _ of await objects()) count++;
    expect([count, ends]).toEqual([2000, ["exit code 3"]]);
  });

  it("lets the client go where the program can't be started, and takes the next", async () => {
    const { objects, ends } = await relaying(["/no/such/program"]);
    for (let i = 1; i <= 2; i++) {
      expect((await (await objects()).closed).error).toBeUndefined();
      await until(() => ends.length === i);
    }
    expect(ends[0]).toContain("it can't be started: spawn /no/such/program ENOENT");
  });

  it("ends a child that writes what its framing does not allow, and its client with it", async () => {
    const { objects, ends } = await relaying(node("console.log('no header'); process.stdin.resume()"), {
      framing: "length",
    });
    await (await objects()).closed;
    await until(() => ends.length === 1);
    expect(ends[0]).toContain("after it wrote what is no message: no length of eight hexadecimal digits");
  });

  it("lets a slow client hold up the child, and not the relay", async () => {
    const { texts, objects } = await relaying(
      node(
        "process.stdin.resume().on('end', () => process.exit()); setInterval(() => { for (let i = 0; i < 100; i++) process.stdout.write('\"' + 'x'.repeat(10000) + '\"\\n') }, 1)",
      ),
    );
    const slow = await objects();
    const before = process.memoryUsage().rss;
    const quick = await texts();
    for (let i = 0; i < 500; i++) await quick.receive();
    expect(process.memoryUsage().rss - before).toBeLessThan(300e6);
    expect(await slow.receive()).toHaveLength(10_000);
  });
});

describe("two streams that are joined to a name", () => {
  /** All that the stream holds. On Node 26 each `read()` gives one chunk of it. */
  function text(stream: PassThrough): string {
    const chunks: string[] = [];
    for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) chunks.push(String(chunk));
    return chunks.join("");
  }

  async function joined() {
    const directory = privateDirectory();
    const server = ending(await listen("r", { directory, codec: json() }));
    const [readable, writable] = [new PassThrough(), new PassThrough()];
    const over = join("r", { readable, writable }, { directory });
    return { readable, writable, over, peer: await server.accept() };
  }

  it("pass on lines both ways, and end in order with the input", async () => {
    const { readable, writable, over, peer } = await joined();
    readable.write('{"a":1}\n\n{"b"');
    readable.write(":2}\n");
    expect([await peer.receive(), await peer.receive()]).toEqual([{ a: 1 }, { b: 2 }]);
    await peer.send({ c: 3 });
    await until(() => writable.readableLength > 0);
    expect(text(writable)).toBe('{"c":3}\n');
    readable.end();
    expect(await over).toMatchObject({ reason: "ended", error: undefined });
    expect((await peer.closed).reason).toBe("peer-closed");
  });

  it("end when the other side closes, after all that it sent", async () => {
    const { writable, over, peer } = await joined();
    for (let i = 0; i < 100; i++) await peer.send(i);
    await peer.close();
    expect((await over).reason).toBe("peer-closed");
    expect(text(writable).split("\n")).toHaveLength(101);
  });
});
