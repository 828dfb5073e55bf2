import { describe, expect, it } from "vitest";
import { connect } from "../../lib/channel/connect.js";
import { listen } from "../../lib/channel/listen.js";
import { bytes } from "../../lib/codec/bytes.js";
import { json } from "../../lib/codec/json.js";
import { text } from "../../lib/codec/text.js";
import { SchemaMismatchError } from "../../lib/errors.js";
import { privateDirectory, transports } from "./setup.js";

describe.each(transports)("a side with text() and one with json(), over %s", (transport) => {
  const pairs = [
    ["the listener has text()", text(), json()],
    ["the listener has json()", json(), text()],
  ] as const;

  it.each(pairs)("are joined: the one gets the other's JSON as it is; %s", async (_, ours, theirs) => {
    const directory = privateDirectory();
    await using server = await listen("n", { directory, transport, codec: ours as never });
    await using peer = await connect<never>("n", { directory, codec: theirs as never });
    const listener = await server.accept();
    const [texts, objects] = ours.name === "text" ? [listener, peer] : [peer, listener];
    await (objects as typeof peer).send({ a: ["ü", 1.5] } as never);
    expect(await texts.receive({ timeout: 5000 })).toBe('{"a":["ü",1.5]}');
    await (texts as typeof peer).send('{ "b" : null }' as never);
    expect(await objects.receive({ timeout: 5000 })).toEqual({ b: null });
    await (texts as typeof peer).send("no JSON" as never);
    await expect(objects.receive({ timeout: 5000 })).rejects.toMatchObject({ code: "ERR_RINGBELL_DECODE" });
  });

  it("refuse a message with a block at the side with text(), and go on", async () => {
    const directory = privateDirectory();
    await using server = await listen("n", { directory, transport, codec: text() });
    await using peer = await connect("n", { directory, codec: json() });
    const listener = await server.accept();
    await peer.send({ block: await peer.allocate(100) });
    await peer.send("after");
    await expect(listener.receive({ timeout: 5000 })).rejects.toThrow("blocks, which text() does not carry");
    expect(await listener.receive({ timeout: 5000 })).toBe('"after"');
  });

  it("are no rule for other codecs", async () => {
    const directory = privateDirectory();
    await using server = await listen("n", { directory, transport, codec: bytes() });
    for (const codec of [text(), json()]) {
      await expect(connect("n", { directory, codec: codec as never })).rejects.toThrow(SchemaMismatchError);
    }
    expect(server.channels.size).toBe(0);
  });
});
