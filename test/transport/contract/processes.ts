import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { FULL, SENT } from "../../../lib/transport/records/send-status.js";
import {
  type ContractOptions,
  type ContractProcesses,
  differsAt,
  End,
  fill,
  payload,
  post,
  postBlocks,
  put,
  readRecords,
  tryOrWait,
  turns,
} from "./harness.js";
import { geometry } from "./suite.js";

/** Bytes for blocks. */
const BULK = 64 * 1024 * 1024;
const CHILD = fileURLToPath(new URL("child.mjs", import.meta.url));

/** What can be seen only between two processes. The child runs dist/. */
export function processes(how: ContractProcesses, options: ContractOptions): void {
  describe("between two processes", () => {
    const children: ChildProcess[] = [];
    const open: End[] = [];
    const directories: string[] = [];
    afterEach(async () => {
      for (const child of children.splice(0)) child.kill("SIGKILL");
      await Promise.all(open.splice(0).map((end) => end.connection.close()));
      for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
    });

    async function withChild(task: string, count = 0, capacity = 4096) {
      const directory = mkdtempSync(join(tmpdir(), "contract-"));
      directories.push(directory);
      const path = join(directory, "socket");
      const lanes = geometry([capacity, capacity]);
      const accept = await how.host(path, lanes, BULK);
      const child = spawn(
        process.execPath,
        [CHILD, how.join, path, JSON.stringify(lanes), task, String(count), String(BULK)],
        { stdio: ["ignore", "inherit", task === "throw" ? "ignore" : "inherit"] },
      );
      children.push(child);
      const exit = once(child, "exit") as Promise<[number | null, string | null]>;
      const early = exit.then(([code]) =>
        Promise.reject(new Error(`the child ended with ${code} before it connected`)),
      );
      // Only as long as we wait for the connection.
      early.catch(() => {});
      const end = new End(await Promise.race([accept(), early]));
      open.push(end);
      return { end, child, exit };
    }

    const numbered = (i: number) => Buffer.alloc(100 + (i % 50), i & 0xff);
    const burst = (count: number) => Array.from({ length: count }, (_, i) => numbered(i));

    it("records of all lengths go there and back", async () => {
      const { end, exit } = await withChild("echo");
      end.start();
      end.lane().wantRecords(true);
      const sent = Array.from({ length: 500 }, (_, i) => payload(i, (i * 31) % end.lane().maxBytes));
      for (const record of sent) await end.send(record);
      await end.received(sent.length);
      expect(differsAt(end.log().records, sent)).toBe(-1);
      await end.connection.close();
      expect(await exit).toEqual([0, null]);
    });

    it("a child that sends much, closes and ends loses nothing, though we send all the time", async () => {
      const { end, exit } = await withChild("burst", 2000);
      end.start();
      end.log().after = () => void post(end.lane(1), payload(1, 50));
      end.lane().wantRecords(true);
      await end.ended();
      expect(end.ends[0]?.why).toBe("peer-closed");
      expect(differsAt(end.log().records, burst(2000))).toBe(-1);
      expect(await exit).toEqual([0, null]);
    });

    it.each(["die", "exit"])(
      "a peer's end without close (%s) is told, and what it sent can be drained",
      async (task) => {
        const { end, exit } = await withChild(task, 10);
        end.start();
        await end.ended();
        expect(end.ends.map((each) => each.why)).toEqual(["peer-died"]);
        expect(end.lane().drain(100)).toBe(10);
        expect(readRecords(end.lane().records)).toEqual(burst(10));
        expect(await exit).toEqual(task === "exit" ? [0, null] : [null, "SIGKILL"]);
      },
    );

    it("a sender that waits for room hears of the peer's death", async () => {
      const { end, child } = await withChild("ref");
      end.start();
      fill(end.lane(), 100);
      end.lane().wantRoom();
      end.lane().wantTaken();
      child.kill("SIGKILL");
      await end.ended();
      await turns(3);
      expect([end.ends[0]?.why, end.log().rooms, end.log().takens]).toEqual(["peer-died", 0, 0]);
    });

    it("a close of this side decides how it ended, though the peer has been killed by then", async () => {
      const { end, child, exit } = await withChild("ref");
      end.start();
      child.kill("SIGKILL");
      const closing = end.connection.close();
      await Promise.all([exit, closing]);
      await turns(3);
      expect([end.connection.ending.reason, end.ends]).toEqual(["ended", []]);
    });

    it("an exception in a handler ends the process that throws, as anywhere else", async () => {
      const { end, exit } = await withChild("throw");
      end.start();
      post(end.lane(), payload(1, 1));
      await end.ended();
      expect(end.ends[0]?.why).toBe("peer-died");
      expect((await exit)[0]).toBe(1);
    });

    it("a connection that is unref'd keeps no process alive", async () => {
      const { end, exit } = await withChild("unref");
      end.start();
      expect(await exit).toEqual([0, null]);
      await end.ended();
      expect(end.ends[0]?.why).toBe("peer-died");
    });

    it("a connection that is ref'd keeps its process alive until it ends", async () => {
      const { end, child, exit } = await withChild("ref");
      end.start();
      post(end.lane(), payload(1, 10));
      // Another child that has nothing to do is gone by then.
      const idle = await withChild("unref");
      await idle.exit;
      expect([child.exitCode, end.ends]).toEqual([null, []]);
      await end.connection.close();
      expect(await exit).toEqual([0, null]);
    });

    if (options.blocks === true) {
      const kept = (i: number) => payload(i, 1 + ((i * 997) % 5000));

      it("blocks go there and back, changed", async () => {
        const { end, exit } = await withChild("echo-blocks");
        end.start();
        end.lane().wantRecords(true);
        for (let i = 0; i < 20; i++) {
          const block = await end.allocate(i === 10 ? BULK / 2 : kept(i).length);
          block.bytes.set(kept(i));
          expect(await end.give(payload(i, 20), [block])).toBe(SENT);
        }
        await end.received(20);
        for (let i = 0; i < 20; i++) {
          const bytes = Buffer.from(kept(i));
          bytes[0]! ^= 0xff;
          expect(end.log().records[i]).toEqual(payload(i, 20));
          expect(Buffer.compare(end.log().blocks[i]![0]!.bytes.subarray(0, bytes.length), bytes)).toBe(0);
        }
        const { mode, ownBlocks, lentBlocks, heldBlocks } = end.connection.bulk.stats();
        // Copied, what comes back is a block of the other side's.
        expect([ownBlocks, lentBlocks, heldBlocks]).toEqual(mode === "copied" ? [0, 0, 20] : [20, 0, 0]);
        await end.connection.close();
        expect(await exit).toEqual([0, null]);
      });

      it("blocks that a killed peer had in its hands come back, all of them", async () => {
        const { end, child } = await withChild("keep-blocks");
        end.start();
        end.lane().wantRecords(true);
        for (let i = 0; i < 1000; i++) {
          const block = await end.allocate(kept(i).length);
          await end.give(payload(i, 8), [block]);
        }
        // It answers each of them, so it has them all.
        await end.received(1000);
        expect(end.connection.bulk.stats()).toMatchObject({ ownBlocks: 0, lentBlocks: 1000 });
        child.kill("SIGKILL");
        await end.ended();
        expect(end.ends[0]?.why).toBe("peer-died");
        expect(end.connection.bulk.stats()).toMatchObject({ ownBlocks: 0, lentBlocks: 0 });
      });

      it("blocks of a killed peer stay readable until they are released", async () => {
        const { end, child } = await withChild("give-blocks", 50);
        end.start();
        end.lane().wantRecords(true);
        await end.received(50);
        child.kill("SIGKILL");
        await end.ended();
        await end.connection.close();
        await turns(3);
        const came = end.log().blocks.map(([block]) => block!);
        expect(came.every((block, i) => block.bytes.every((byte) => byte === i))).toBe(true);
        expect(end.connection.bulk.stats().heldBlocks).toBe(50);
        for (const block of came) block.release();
        expect(end.connection.bulk.stats().heldBlocks).toBe(0);
      });

      it("blocks of a peer that is killed while it sends come whole or not at all", async () => {
        const { end, child } = await withChild("flood-blocks");
        end.start();
        end.log().after = () => {
          if (end.log().records.length >= 3) child.kill("SIGKILL");
          for (const block of end.log().blocks.flat()) block.release();
        };
        end.lane().wantRecords(true);
        await end.ended();
        expect(end.ends[0]?.why).toBe("peer-died");
        expect(end.log().records.length).toBeGreaterThanOrEqual(3);
        expect(end.log().blocks.every((each) => each.length === 2)).toBe(true);
        await end.connection.close();
        await turns(3);
        expect(end.connection.bulk.stats()).toMatchObject({ heldBlocks: 0, heldBytes: 0 });
      });

      it("blocks that a peer sends before it closes and ends are all there", async () => {
        const { end, exit } = await withChild("burst-blocks", 12);
        end.start();
        end.lane().wantRecords(true);
        await end.ended();
        expect(end.ends[0]?.why).toBe("peer-closed");
        const came = end.log().blocks.map(([block]) => block!);
        expect(came.map((block) => block.byteLength)).toEqual(came.map(() => 1024 * 1024));
        expect(came.map((block, i) => block.bytes.every((byte) => byte === i))).toEqual(
          Array.from({ length: 12 }, () => true),
        );
        expect(await exit).toEqual([0, null]);
      });

      if (options.blocking) {
        it("a thread that waits for memory without limit goes on when the peer releases, and when it dies", async () => {
          const { end, child } = await withChild("release-blocks");
          end.start();
          for (let i = 0; i < 20; i++) {
            const block = end.connection.bulk.allocate(BULK)!;
            expect(postBlocks(end.lane(), payload(i, 8), [block], 20_000)).toBe(SENT);
            while (end.connection.bulk.stats().lentBlocks > 0) {
              const free = end.connection.bulk.allocate(1);
              if (free === undefined) end.blocking().waitMemory(Number.POSITIVE_INFINITY);
              free?.release();
            }
          }
          const block = end.connection.bulk.allocate(BULK)!;
          // It releases no more after that.
          expect(postBlocks(end.lane(), payload(0, 1), [block], 20_000)).toBe(SENT);
          expect(end.blocking().drainWait(1, 20_000)).toBe(1);
          expect(end.connection.bulk.allocate(1)).toBeUndefined();
          child.kill("SIGKILL");
          for (;;) {
            end.blocking().waitMemory(Number.POSITIVE_INFINITY);
            try {
              if (end.connection.bulk.allocate(1) === undefined) continue;
            } catch (error) {
              expect((error as { code?: string }).code).toBe("ERR_RINGBELL_PEER_DIED");
              break;
            }
          }
        });
      }
    }

    if (options.tries) {
      it("a thread that only tries gets every answer, on both sides, without the event loop", async () => {
        const { end, exit } = await withChild("echo-try", 300);
        end.start();
        const until = performance.now() + 20_000;
        for (let i = 0; i < 300; i++) {
          const record = payload(i, (i * 71) % end.lane().maxBytes);
          while (post(end.lane(), record) === FULL) expect(performance.now()).toBeLessThan(until);
          while (end.lane().drainSome() === 0) expect(performance.now()).toBeLessThan(until);
          expect(readRecords(end.lane().records)[0]?.equals(record)).toBe(true);
        }
        expect(end.ends).toEqual([]);
        await end.ended();
        expect(await exit).toEqual([0, null]);
      });

      it("a thread that never comes to its event loop hears of the peer's death when it looks", async () => {
        const { end, child } = await withChild("ref");
        end.start();
        child.kill("SIGKILL");
        const until = performance.now() + 20_000;
        while (end.connection.ending.reason === undefined && performance.now() < until) {
          tryOrWait(end.lane());
          end.connection.look();
        }
        expect([end.connection.ending.reason, end.ends]).toEqual(["peer-died", []]);
        expect(end.connection.ending.failure?.code).toBe("ERR_RINGBELL_PEER_DIED");
        await end.ended();
      });
    }

    if (!options.blocking) return;

    it("a thread that waits is woken by records and by room, on both sides", async () => {
      const { end, exit } = await withChild("echo-sync", 300);
      end.start();
      for (let i = 0; i < 300; i++) {
        const record = payload(i, (i * 71) % end.lane().maxBytes);
        expect(end.blocking().sendWait(put(end.lane(), record), 20_000)).toBe(SENT);
        expect(end.blocking().drainWait(1, 20_000)).toBe(1);
        expect(readRecords(end.lane().records)[0]?.equals(record)).toBe(true);
      }
      await end.ended();
      expect(await exit).toEqual([0, null]);
    });

    it("a thread that waits without limit is woken by the peer's death", async () => {
      const { end } = await withChild("die", 0);
      end.start();
      expect(end.blocking().drainWait(1, Number.POSITIVE_INFINITY)).toBe(0);
      await end.ended();
      expect(end.ends[0]?.why).toBe("peer-died");
    });

    it("a thread that waits for room without limit goes on when a peer takes", async () => {
      const { end } = await withChild("echo");
      end.start();
      end.lane().place.scratch.buffer.fill(7);
      for (let i = 0; i < 60; i++) {
        // The child can't send back more than its own window holds, so we take in between.
        expect(end.blocking().sendWait(500, Number.POSITIVE_INFINITY)).toBe(SENT);
        if (i >= 4) expect(end.blocking().drainWait(1, 20_000)).toBe(1);
      }
    });
  });
}
