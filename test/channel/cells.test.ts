import { InvalidArgumentError } from "ringbell";
import { describe, expect, it } from "vitest";
import { pair, peer } from "./setup.js";

describe("the cells of a channel", () => {
  it("show the peer at once what one side sets, and are a side's own", async () => {
    const { a, b } = await pair("shm");
    const [ours, theirs] = [a.cells!, b.cells!];
    expect(ours.length).toBe(theirs.length);
    expect(ours.length).toBeGreaterThanOrEqual(32);
    for (let i = 0; i < ours.length; i++) ours.set(i, 1000 + i);
    theirs.set(0, 2 ** 32 - 1);
    for (let i = 0; i < ours.length; i++) expect(theirs.get(i)).toBe(1000 + i);
    expect([ours.get(0), ours.get(1)]).toEqual([2 ** 32 - 1, 0]);
  });

  it("are there with any number of lanes, and touch none of them", async () => {
    const codec = undefined;
    for (const count of [1, 5, 6, 13, 15]) {
      const lanes = Object.fromEntries(Array.from({ length: count }, (_, i) => [`lane-${i}`, {}]));
      const { a, b } = await pair("shm", { lanes, codec, capacity: 4096 }, { lanes });
      expect(a.cells!.length, `${count} lanes`).toBeGreaterThanOrEqual(32);
      for (let i = 0; i < a.cells!.length; i++) a.cells!.set(i, 2 ** 32 - 1);
      for (let i = 0; i < b.cells!.length; i++) b.cells!.set(i, 2 ** 32 - 1);
      for (const name of ["main", ...Object.keys(lanes)]) {
        await a.lane(name).send(name);
        await b.lane(name).send(name);
      }
      for (const name of ["main", ...Object.keys(lanes)]) {
        expect(await b.lane(name).receive()).toBe(name);
        expect(await a.lane(name).receive()).toBe(name);
      }
    }
  });

  it("are read by a thread that never comes to its event loop", async () => {
    const { channel, ended } = await peer(
      "shm",
      `channel.cells.set(3, 7);
       while (channel.cells.get(5) !== 11) {}
       report("seen");
       await channel.close();`,
    );
    while (channel.cells!.get(3) !== 7) await new Promise(setImmediate);
    channel.cells!.set(5, 11);
    expect(await ended).toMatchObject({ code: 0, output: "seen\n" });
  });

  it("keep their last values after the end, which reach nobody any more", async () => {
    const { a, b } = await pair("shm");
    a.cells!.set(1, 5);
    const { cells } = b;
    expect(cells!.get(1)).toBe(5);
    await b.close();
    a.cells!.set(1, 6);
    cells!.set(2, 9);
    expect([cells!.get(1), b.cells!.get(1)]).toEqual([5, 5]);
    await a.close();
    expect(a.cells!.get(2)).toBe(0);
    // Nobody had asked for them before the end.
    const other = await pair("shm");
    await other.b.close();
    expect(other.b.cells).toBe(undefined);
  });

  it("refuse an index or a value that is none", async () => {
    const { a } = await pair("shm");
    const cells = a.cells!;
    for (const index of [-1, cells.length, 0.5, Number.NaN, "0" as never]) {
      expect(() => cells.get(index), String(index)).toThrow(InvalidArgumentError);
      expect(() => cells.set(index, 1), String(index)).toThrow(InvalidArgumentError);
    }
    for (const value of [-1, 2 ** 32, 0.5, Number.NaN, undefined as never])
      expect(() => cells.set(0, value), String(value)).toThrow(InvalidArgumentError);
  });

  it("are not there where memory is not shared, nor on a lane, which shares them with the others", async () => {
    const { a } = await pair("stream");
    expect(a.cells).toBe(undefined);
    const lanes = { side: {} };
    const { a: channel } = await pair("shm", { lanes }, { lanes });
    expect("cells" in channel.lane("side")).toBe(false);
  });
});
