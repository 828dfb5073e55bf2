import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { bulkBytesUnder } from "../../lib/channel/bulk-default.js";
import { runProgram } from "../cli/run.js";
import { root } from "../docs/workshop.js";
import { privateDirectory } from "./setup.js";

const MiB = 1024 * 1024;

describe("the default of maxBulkBytes", () => {
  it("is 1 GiB without a memory limit, and a quarter of a limit below 4 GiB", () => {
    expect(bulkBytesUnder(undefined)).toBe(1024 * MiB);
    expect(bulkBytesUnder(64 * 1024 * MiB)).toBe(1024 * MiB);
    expect(bulkBytesUnder(160 * MiB)).toBe(40 * MiB);
    expect(bulkBytesUnder(1000)).toBe(0);
  });

  const group = memoryGroup(160 * MiB);

  it.skipIf(group === undefined)(
    "lets a program that allocates block after block wait where the kernel would kill it",
    { timeout: 60_000 },
    async () => {
      const { at, path } = group!();
      const directory = privateDirectory();
      const code = `
        import { connect, listen } from ${JSON.stringify(join(root, "dist", "index.js"))};
        const server = await listen("n", { directory: ${JSON.stringify(directory)} });
        const channel = await connect("n", { directory: ${JSON.stringify(directory)} });
        const blocks = [];
        for (let n = 0; n < 8; n++) {
          const block = channel.tryAllocate(30 * 1024 * 1024);
          block?.bytes.fill(n);
          blocks.push(block);
        }
        console.log(blocks.filter(Boolean).length, channel.stats().bulk.limit);
        process.exit();`;
      // The shell joins the group, and becomes the program.
      const shell = `echo $$ > "$0/cgroup.procs" && exec "$1" --input-type=module -e "$2"`;
      const {
        code: status,
        stdout,
        stderr,
      } = await runProgram("sh", ["-c", shell, at, process.execPath, code]);
      expect(stderr).toBe("");
      expect([status, stdout]).toEqual([0, `1 ${40 * MiB}\n`]);
      expect(readFileSync(path("failcnt", "events"), "utf8")).not.toMatch(/oom_kill [1-9]/);
    },
  );
});

/** Returns what makes a control group with a memory limit, of either version; undefined where this process may not. */
function memoryGroup(limit: number) {
  const own = readFileSync("/proc/self/cgroup", "utf8");
  const first = /^\d+:memory:(\/.*)$/m.exec(own)?.[1];
  const second = /^0::(\/.*)$/m.exec(own)?.[1];
  const above =
    first === undefined ? join("/sys/fs/cgroup", second ?? "") : join("/sys/fs/cgroup/memory", first);
  const at = join(above, `ringbell-test-${process.pid}`);
  const file = (one: string, two: string) => join(at, `memory.${first === undefined ? two : one}`);
  const make = () => {
    mkdirSync(at);
    writeFileSync(file("limit_in_bytes", "max"), String(limit));
  };
  try {
    make();
    rmdirSync(at);
  } catch {
    return undefined;
  }
  return () => {
    make();
    onTestFinished(() => rmdirSync(at));
    return { at, path: file };
  };
}
