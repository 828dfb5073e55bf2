import { connect, json } from "ringbell";
import { contract, open } from "ringbell/rpc";
import { describe, expect, it } from "vitest";
import { ending, numbers, serving, take, transports } from "./setup.js";

const raw = contract<Record<string, (message: unknown) => Record<string, unknown>>>("raw");

describe.each(transports)("events of one burst over %s", (transport) => {
  /** Attaches without the library, and returns what takes the messages of the data lane. */
  const rawly = async (directory: string, more: object) => {
    const channel = ending(await connect("agent", { directory, codec: json() }));
    const calls = ending(await open(raw, { port: channel.lane("control") as never })) as never as Record<
      string,
      (message: unknown) => Promise<unknown>
    >;
    await calls.attach!({ protocol: 1, client: "raw", from: "live", ...more });
    return () => channel.receive() as Promise<unknown[]>;
  };

  it("come in few messages, to an interface that reads them", async () => {
    const { session, directory } = await serving({ transport });
    const next = await rawly(directory, { batches: true });
    for (let n = 1; n <= 300; n++) session.append(n);
    const frames: unknown[] = [];
    let messages = 0;
    for (; frames.length < 300; messages++) {
      const message = await next();
      frames.push(...(Array.isArray(message[0]) ? message : [message]));
    }
    expect(frames).toEqual(Array.from({ length: 300 }, (_, i) => [i + 1, "event", i + 1]));
    expect(messages).toBeLessThanOrEqual(3);
  });

  it("come one by one to an interface that does not say that it reads several", async () => {
    const { session, directory } = await serving({ transport });
    const next = await rawly(directory, {});
    for (let n = 1; n <= 20; n++) session.append(n);
    for (let n = 1; n <= 20; n++) expect(await next()).toEqual([n, "event", n]);
  });

  it("keep to the longest message that the program lets go out", async () => {
    const { session, directory } = await serving({ transport, maxMessageBytes: 400 });
    const next = await rawly(directory, { batches: true });
    const text = "é".repeat(20);
    for (let n = 1; n <= 50; n++) session.append(text);
    for (let n = 1; n <= 50; n++) expect(await next()).toEqual([n, "event", text]);
  });

  it("are each an item with its place: one that goes in the midst of them comes back there", async () => {
    const { session, attached } = await serving({ transport });
    const ui = await attached({ from: "live" });
    for (let n = 1; n <= 100; n++) session.append(`${n} 😀`);
    expect(numbers(await take(ui, 7))).toEqual([1, 2, 3, 4, 5, 6, 7]);
    const cursor = ui.cursor!;
    await ui.close();
    const next = await attached({ from: { cursor } });
    const items = await take(next, 93);
    expect(items[0]).toMatchObject({ sequence: 8, event: "8 😀" });
    expect(items.at(-1)).toMatchObject({ sequence: 100, event: "100 😀" });
  });
});
