import {
  anyOf,
  bytes,
  type Channel,
  type Codec,
  connect,
  json,
  listen,
  packed,
  SchemaMismatchError,
  text,
} from "ringbell";
import { describe, expect, expectTypeOf, it, onTestFinished } from "vitest";
import { scratchDirectory } from "../transport/scratch.js";
import { transports } from "./setup.js";

/** A codec that says by its name which one it is. */
function named(name: string): Codec<string> {
  return { ...(text() as Codec<string>), name, fingerprint: name };
}

describe.each(transports)("%s: a listener with several codecs", (transport) => {
  async function listening(codec: Parameters<typeof anyOf<unknown, unknown>>) {
    const directory = scratchDirectory();
    const server = await listen("x", { directory, transport, codec: anyOf(...codec) });
    onTestFinished(() => server.close());
    const accepted: Channel<unknown, unknown>[] = [];
    const refused: Error[] = [];
    server.on("peerError", (error) => void refused.push(error));
    server.on("connection", (channel) => {
      accepted.push(channel);
      channel.on("message", (message) => channel.trySend(message));
    });
    return { where: { directory, transport }, accepted, refused };
  }

  it("talks to each peer by the one that the peer has", async () => {
    const { where, refused } = await listening([packed(), json(), bytes() as Codec<unknown>]);
    const value = { a: 1, at: new Date(0) };
    const best = await connect<unknown>("x", { ...where, codec: anyOf(packed(), json()) });
    best.trySend(value);
    expect(await best.receive()).toEqual(value);
    const plain = await connect<unknown>("x", where);
    plain.trySend(value);
    expect(await plain.receive()).toEqual({ a: 1, at: "1970-01-01T00:00:00.000Z" });
    const raw = await connect("x", { ...where, codec: bytes() });
    raw.trySend(Buffer.from("raw"));
    expect(Buffer.from((await raw.receive())!).toString()).toBe("raw");
    const late = await connect<string>("x", { ...where, codec: anyOf(named("other"), json<string>()) });
    expect(await late.send("found at last").then(() => late.receive())).toBe("found at last");
    await Promise.all([best, plain, raw, late].map((channel) => channel.close()));
    expect(refused, "who tries another codec was no failure").toEqual([]);
  });

  it("refuses a peer that has none of them, once, and says what it has", async () => {
    const { where, accepted, refused: told } = await listening([packed(), json()]);
    const refused = connect("x", { ...where, codec: anyOf(named("one"), named("two")) });
    await expect(refused).rejects.toThrow(SchemaMismatchError);
    await expect(refused).rejects.toMatchObject({ ours: "two text", theirs: "json" });
    expect(accepted).toEqual([]);
    expect(told).toHaveLength(1);
  });

  it("has them for each lane by itself", async () => {
    const directory = scratchDirectory();
    const lanes = { a: { codec: anyOf(named("one"), named("two")) }, b: { codec: named("three") } };
    const server = await listen("x", { directory, transport, codec: text(), lanes });
    onTestFinished(() => server.close());
    const accepting = server.accept();
    const channel = await connect("x", {
      ...{ directory, transport, codec: text() },
      lanes: { a: { codec: anyOf(named("four"), named("two")) }, b: { codec: named("three") } },
    });
    const accepted = await accepting;
    expectTypeOf(accepted.lane("a").trySend).parameter(0).toEqualTypeOf<string>();
    accepted.lane("a").trySend("by two");
    accepted.lane("b").trySend("by three");
    expect(await channel.lane("a").receive()).toBe("by two");
    expect(await channel.lane("b").receive()).toBe("by three");
    await channel.close();
  });
});

describe("anyOf", () => {
  it("refuses none, more than four, what is no codec, and one twice", () => {
    const call = anyOf as unknown as (...choices: unknown[]) => unknown;
    const five = Array.from({ length: 5 }, (_, i) => named(`codec ${i}`));
    for (const choices of [[], five, [json(), "json"], [json(), packed(), json()]]) {
      expect(() => call(...choices)).toThrow(
        expect.objectContaining({ code: "ERR_RINGBELL_INVALID_ARGUMENT" }),
      );
    }
  });

  it("says what it takes, where it is given an array, a pair, or another choice", async () => {
    const call = anyOf as unknown as (...choices: unknown[]) => unknown;
    const said = (...choices: unknown[]) => {
      try {
        return call(...choices);
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(said([json(), packed()])).toMatch(/^choices\[0\] must be a codec such as json\(\)/);
    expect(said(json(), anyOf(packed()))).toMatch(/^choices\[1\] must be one codec; anyOf\(…\) stands alone/);
    expect(said({ send: json(), receive: packed() })).toMatch(/^choices\[0\]/);
    const codec = { send: anyOf(json(), packed()), receive: json() } as never;
    await expect(listen("x", { directory: scratchDirectory(), codec })).rejects.toThrow(
      /^options\.codec\.send must be one codec; anyOf\(…\) stands alone/,
    );
  });

  it("is checked where it is an option, too", async () => {
    const options = { directory: scratchDirectory(), codec: { choices: [{}] } as never };
    await expect(listen("x", options)).rejects.toMatchObject({ code: "ERR_RINGBELL_INVALID_ARGUMENT" });
  });
});
