import { describe, expect, it } from "vitest";
import { scratchDirectory } from "../transport/scratch.js";
import { member, opened } from "./setup.js";

describe("many boxes and many that wait", () => {
  it("1,000 boxes with 10,000 that wait get each its message, once", { timeout: 60_000 }, async () => {
    const directory = scratchDirectory();
    const mail = await opened({ directory });
    const other = await opened({ directory });
    const [boxes, waiters] = [1000, 10_000];
    const name = (i: number) => `box-${i % boxes}`;
    const waits = Array.from({ length: waiters }, (_, i) => other.wait(name(i), { timeout: 300_000 }));
    await other.status();
    const status = await mail.status();
    expect(status.boxes).toHaveLength(boxes);
    expect(status.boxes.reduce((sum, { waiting }) => sum + waiting, 0)).toBe(waiters);
    await Promise.all(Array.from({ length: waiters }, (_, i) => mail.post(name(i), i)));
    const got = await Promise.all(waits);
    expect(got.map((message) => message?.box)).toEqual(Array.from({ length: waiters }, (_, i) => name(i)));
    expect(new Set(got.map((message) => message?.position)).size).toBe(waiters);
  });

  it("a wait that sleeps costs no CPU time, in the broker and in the process that waits (S3.12)", async () => {
    const directory = scratchDirectory();
    const [broker, client] = [await member({ directory }), await member({ directory })];
    const waits = Array.from({ length: 100 }, (_, i) => client.call<{ body: number }>("wait", `b${i}`));
    await client.call("status");
    const cpu = async () =>
      (await Promise.all([broker, client].map(({ pid }) => ticks(pid)))).reduce((a, b) => a + b);
    // The event loops have polled for a while after the last message.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = await cpu();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    // A tick is 10 ms. A loop that polled would take 100.
    expect((await cpu()) - before).toBeLessThanOrEqual(2);
    for (let i = 0; i < 100; i++) await broker.call("post", `b${i}`, i);
    expect((await Promise.all(waits)).map(({ body }) => body)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
  });
});

/** The CPU time of a process so far, in ticks of the kernel. */
async function ticks(pid: number): Promise<number> {
  const { readFile } = await import("node:fs/promises");
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}
