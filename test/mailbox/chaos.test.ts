import { describe, expect, it } from "vitest";
import { scratchDirectory } from "../transport/scratch.js";
import { chaos } from "./chaos-run.js";

/** How long processes are killed, in s, and how many messages there are. RINGBELL_TEST_CHAOS=600 runs it for ten minutes. */
const SECONDS = Number(process.env.RINGBELL_TEST_CHAOS ?? 12);
const MESSAGES = Math.min(200_000, SECONDS * 2000);

describe("processes that are killed at random", () => {
  it("lose no accepted message, deliver none after its confirmed acknowledgement, and keep each sender's order", {
    timeout: SECONDS * 1000 + 120_000,
  }, async () => {
    const options = { directory: scratchDirectory(), boxes: { maxAttempts: 1_000_000 } };
    const { book, last } = await chaos(options, SECONDS, MESSAGES);
    expect([book.wrong, book.repeated]).toEqual([[], []]);
    expect(book.lost).toEqual([]);
    expect(book.accepted.size).toBeGreaterThan(SECONDS * 10);
    expect(await last.box("box", "status")).toMatchObject({ queued: 0, claimed: 0, dead: 0, bytes: 0 });
  });
});
