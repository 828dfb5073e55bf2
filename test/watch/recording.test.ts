import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Recorder, Recording, RecordingError, type Stream, type TapEvent } from "../../lib/watch/index.js";
import { scratchDirectory } from "../transport/scratch.js";

const stream: Stream = {
  index: 0,
  channel: "c-1",
  peer: { pid: 7, role: null },
  lane: "main",
  way: "in",
  capacity: 262144,
  codec: { name: "json", fingerprint: "json", schema: undefined },
};

function message(number: number, time = 1000 + number): TapEvent {
  return {
    type: "message",
    stream,
    time,
    number,
    kind: 0,
    content: Buffer.from(`{"n":${number},"x":"${"x".repeat(200)}"}`),
  };
}

/** A recording of so many messages, and one gap. `finish`: whether it gets its index. */
function recorded(messages: number, finish = true): string {
  const path = join(scratchDirectory(), "x.rec");
  const recorder = new Recorder(path, "prices");
  recorder.take({ type: "open", stream });
  for (let i = 0; i < messages; i++) recorder.take(message(i));
  recorder.take({ type: "missed", stream, time: 5000, count: 3 });
  recorder.take({ type: "end", stream });
  if (finish) recorder.close();
  else recorder.flush();
  return path;
}

function all(path: string, from?: number): TapEvent[] {
  const recording = new Recording(path);
  try {
    return [...recording.events(from)];
  } finally {
    recording.close();
  }
}

function facts(path: string) {
  const recording = new Recording(path);
  recording.close();
  const { whole, cutOff, index, header } = recording;
  return { whole, cutOff, index, header };
}

describe("a recording", () => {
  it("gives back what was put into it, and only its owner can read it", () => {
    const path = recorded(3);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(all(path)).toEqual([
      { type: "open", stream },
      ...[0, 1, 2].map((number) => message(number)),
      { type: "missed", stream, time: 5000, count: 3 },
      { type: "end", stream },
    ]);
    expect(facts(path)).toMatchObject({ whole: true, cutOff: 0, index: { messages: 3, missed: 3 } });
    expect(facts(path).header).toMatchObject({ version: 1, endpoint: "prices" });
  });

  it("is not written over, unless that is asked for", () => {
    const path = recorded(1);
    expect(() => new Recorder(path, "x")).toThrow(expect.objectContaining({ code: "EEXIST" }));
    new Recorder(path, "x", true).close();
    expect(all(path)).toEqual([]);
  });

  it("is read from a time on, by its index", () => {
    const path = recorded(5000);
    const from = all(path, 1000 + 4000);
    expect(from[0]).toEqual(message(4000));
    expect(from).toHaveLength(1000 + 2);
    expect(facts(path).index.entries.length).toBeGreaterThan(10);
  });

  it("is good up to any byte where its recorder was killed, and the index is made anew", () => {
    const path = recorded(20, false);
    const bytes = readFileSync(path);
    const whole = facts(path);
    expect(whole).toMatchObject({
      whole: false,
      cutOff: 0,
      index: { messages: 20, missed: 3, streams: [stream] },
    });
    let before = 20;
    for (let length = bytes.length - 1; length > 120; length -= 37) {
      truncateSync(path, length);
      const { index, cutOff } = facts(path);
      expect(index.messages).toBeLessThanOrEqual(before);
      before = index.messages;
      expect(cutOff).toBeLessThan(300);
      const messages = all(path).filter(({ type }) => type === "message");
      expect(messages).toEqual(Array.from({ length: index.messages }, (_, i) => message(i)));
    }
    expect(before).toBe(0);
  });

  it("finds with an index made anew what it finds with its own", () => {
    const [whole, killed] = [recorded(3000), recorded(3000, false)];
    expect(facts(killed).index).toEqual(facts(whole).index);
    expect(all(killed, 3000)).toEqual(all(whole, 3000));
  });

  it("may lack any part of its index: it was killed while it wrote that", () => {
    const path = recorded(5);
    for (let size = statSync(path).size - 1; size > statSync(recorded(5, false)).size; size -= 3) {
      truncateSync(path, size);
      expect(facts(path)).toMatchObject({ whole: false, index: { messages: 5 } });
    }
  });

  it("is refused if a bit of it is wrong, wherever that is", () => {
    const path = recorded(5);
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; at += at < bytes.length - 30 ? 5 : 1) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1 << (at % 8);
      writeFileSync(path, damaged);
      let found: TapEvent[] | undefined;
      try {
        found = all(path);
      } catch (error) {
        expect(error).toBeInstanceOf(RecordingError);
        expect(error).toMatchObject({ code: "ERR_RINGBELL_RECORDING", path, offset: expect.any(Number) });
      }
      // The last bytes only say where the index is: without them it is made anew.
      if (found !== undefined) expect(at).toBeGreaterThanOrEqual(bytes.length - 8);
    }
  });

  it.each([
    ["empty", ""],
    ["something else", "# A text that is no recording\n"],
  ])("is refused if it is %s", (_, content) => {
    const path = join(scratchDirectory(), "x");
    writeFileSync(path, content);
    expect(() => new Recording(path)).toThrow(RecordingError);
  });
});
