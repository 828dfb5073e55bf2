import { describe, expect, it } from "vitest";
import { Ghosts } from "../../lib/mailbox/nats/ghosts.js";
import type { Link } from "../../lib/mailbox/nats/link.js";
import { Names } from "../../lib/mailbox/nats/names.js";
import type { Streams } from "../../lib/mailbox/nats/streams.js";

// A server of NATS 2.9 makes ghosts when it is killed at a certain moment. The test that kills it at random, in nats.test.ts, meets them in
// one of three runs.

/** Ends the ghosts of a consumer, and returns the subjects that are answered. */
async function ended(consumer: object | undefined, deleted: readonly number[]): Promise<string[]> {
  const told: string[] = [];
  const publish = (subject: string, text: string) => told.push(`${subject} ${text}`);
  const request = async (subject: string, text: string) => told.push(`${subject} ${text}, and an answer`);
  const streams = { consumer: async () => consumer, deleted: async () => deleted };
  const link = { nats: { publish }, request, call: (what: () => unknown) => what() } as unknown as Link;
  const ghosts = new Ghosts(link, new Names("default", "set"), streams as unknown as Streams);
  expect(await ghosts.end("box", 1)).toBe(told.length);
  return told;
}

describe("deliveries in NATS whose messages were deleted", () => {
  const consumer = { num_ack_pending: 3, ack_floor: { stream_seq: 4 }, delivered: { stream_seq: 8 } };

  it("are ended, and no others", async () => {
    expect(await ended(consumer, [2, 4, 5, 8, 9, 12])).toEqual([
      "$JS.ACK.RINGBELL+n-set+n-box.R1.1.5.0.0.0 +ACK",
      "$JS.ACK.RINGBELL+n-set+n-box.R1.1.8.0.0.0 +ACK, and an answer",
    ]);
  });

  it("are not looked for where nothing is delivered or nobody reads", async () => {
    expect(await ended({ ...consumer, num_ack_pending: 0 }, [5])).toEqual([]);
    expect(await ended(undefined, [5])).toEqual([]);
  });
});
