// What any interface may have seen, whatever happens: run in the test's own process over the log in memory, and by Node with SQLite
// over a store (main.mjs beside this file).
import assert from "node:assert/strict";

/** An interface without a process: a ring of a few messages, and what was taken from it. */
class Ui {
  role = "default";
  peer = undefined;
  via = "test";
  instance = "";
  items = [];
  ring = [];
  attached = undefined;
  cursor = undefined;
  /** The event before the first item; undefined if a snapshot comes first. */
  place = undefined;

  /** @param {string} client @param {number} batchBytes */
  constructor(client, batchBytes) {
    this.client = client;
    this.batchBytes = batchBytes;
  }

  /** @param {string} text */
  offer(text) {
    if (this.ring.length >= 3) return false;
    this.ring.push(text);
    return true;
  }

  /** @param {{ bytes: Uint8Array }} batch */
  offerBatch(batch) {
    return this.offer(Buffer.from(batch.bytes).toString());
  }

  changed() {}
  replaced() {}
  async over() {}
  async close() {}
}

const CLASSES = /** @type {const} */ (["keep", "drop", "latest"]);

/** @param {import("fast-check")} fc @returns {import("fast-check").Arbitrary<readonly any[]>} */
export const steps = (fc) => {
  const ui = fc.nat(2);
  const append = fc.record({
    do: fc.constant("append"),
    count: fc.integer({ min: 1, max: 6 }),
    kind: fc.constantFrom(...CLASSES),
  });
  const read = fc.record({ do: fc.constant("read"), ui, count: fc.integer({ min: 1, max: 5 }) });
  const from = fc.constantFrom("snapshot", "live", "last", "cursor");
  const attach = fc.record({ do: fc.constant("attach"), ui, from });
  const one = fc.oneof(
    { weight: 6, arbitrary: append },
    { weight: 6, arbitrary: read },
    { weight: 3, arbitrary: fc.constant({ do: "turn" }) },
    { weight: 2, arbitrary: attach },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("drop"), ui }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("refresh"), ui }) },
    { weight: 2, arbitrary: fc.constant({ do: "kill" }) },
    { weight: 1, arbitrary: fc.constant({ do: "close" }) },
  );
  return fc.array(one, { minLength: 5, maxLength: 60 });
};

/** @param {readonly any[]} items @param {number | undefined} start */
function mustBeGapFree(items, start) {
  let after = start;
  for (const item of items) {
    if (item.type === "event") assert.equal(item.sequence, (after ?? -1) + 1);
    if (item.type === "missed") assert.equal(item.sequence, (after ?? -1) + item.missed);
    after = item.sequence;
  }
}

/**
 * A session whose events have numbers of their own, which never come twice, and interfaces that come, read and go as the steps say. The
 * snapshot is the list of the last events, so it says what it stands for.
 *
 * `open` begins a session with the options, and returns what ends it as a kill of its process would.
 * @param {{
 *   open(options: object): { session: any, kill(): void },
 *   itemOf(frame: unknown, after: number | undefined): any,
 *   hasSnapshot: boolean,
 * }} world
 * @param {readonly any[]} list
 */
export async function run({ open, itemOf, hasSnapshot }, list) {
  let session;
  let kill;
  let last = 0;
  /** The log that `values` belong to. */
  let log = "";
  /** What each event is, by its sequence number: as it was appended, and as an interface has seen it. */
  let values = new Map();
  let seen = new Map();
  const uis = [new Ui("a", 0), new Ui("b", 1000), new Ui("c", 1000)];
  const begin = () => {
    ({ session, kill } = open({
      log: { maxEvents: 8 },
      slowAfter: 0,
      classes: { drop: "drop", latest: "latest" },
      ...(hasSnapshot ? { snapshot: () => values.get(session.log.last) ?? 0 } : {}),
    }));
    for (const ui of uis) {
      ui.attached = undefined;
      ui.ring.length = 0;
    }
    if (session.logId !== log) [log, values, seen] = [session.logId, new Map(), new Map()];
    // What was not stored is lost, and nobody may have seen it.
    for (const sequence of [...values.keys()]) if (sequence > session.log.last) values.delete(sequence);
    for (const { sequence, event } of session.events()) assert.equal(event, values.get(sequence));
    for (const sequence of seen.keys()) assert.ok(sequence <= session.log.last, "a lost event was seen");
  };
  const see = (sequence, value) => {
    assert.equal(value, values.get(sequence) ?? 0);
    assert.equal(seen.get(sequence) ?? value, value);
    if (sequence > 0) seen.set(sequence, value);
  };
  const read = (ui, count) => {
    for (let n = 0; n < count && ui.ring.length > 0; n++) {
      const message = JSON.parse(ui.ring.shift());
      const frames = Array.isArray(message) && Array.isArray(message[0]) ? message : [message];
      for (const frame of frames) {
        const item = itemOf(frame, ui.items.at(-1)?.sequence ?? ui.place);
        assert.ok(item !== undefined, "the feed broke the order");
        if (item.type === "snapshot" && hasSnapshot) see(item.sequence, item.snapshot);
        if (item.type === "event") see(item.sequence, item.event);
        ui.items.push(item);
        ui.cursor = `${log}.${item.sequence}`;
      }
      if (ui.attached !== undefined) session.resume(ui.attached);
    }
  };
  const attach = (ui, how) => {
    ui.ring.length = 0;
    const cursor = ui.cursor === undefined ? "snapshot" : { cursor: ui.cursor };
    const from = how === "last" ? { last: 3 } : how === "cursor" ? cursor : how;
    const { welcome, attached } = session.attach(ui, from);
    ui.attached = attached;
    // What was seen is looked at in one piece only where the interface went on from it.
    const goesOn = how === "cursor" && !welcome.tooOld && ui.items.at(-1)?.sequence === welcome.sequence;
    if (!goesOn) [ui.items, ui.place] = [[], welcome.sequence];
    attached.feed.resume();
  };
  begin();
  try {
    for (const one of list) {
      const ui = uis[one.ui];
      if (one.do === "append") {
        for (let n = 0; n < one.count; n++) values.set(session.append(++last, one.kind), last);
      } else if (one.do === "turn") session.settle();
      else if (one.do === "kill") {
        kill();
        begin();
      } else if (one.do === "close") {
        await session.close({ grace: 0 });
        begin();
      } else if (one.do === "read") read(ui, one.count);
      else if (one.do === "attach") attach(ui, one.from);
      else if (one.do === "refresh") ui.attached?.feed.refresh();
      else if (ui.attached !== undefined) {
        session.detach(ui.attached);
        ui.attached = undefined;
        ui.ring.length = 0;
      }
    }
    // All that are attached read on until nothing comes, and then have seen everything.
    session.settle();
    for (const ui of uis) {
      if (ui.attached === undefined) continue;
      while (ui.ring.length > 0) read(ui, 1);
      assert.equal(ui.attached.lag, 0);
      assert.equal(ui.items.at(-1)?.sequence ?? ui.place, session.log.last);
      mustBeGapFree(ui.items, ui.items[0]?.type === "snapshot" ? undefined : ui.place);
    }
  } finally {
    kill();
  }
}
