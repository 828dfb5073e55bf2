import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Record as Saved } from "../../bench/lib/record.mjs";
import { scratchDirectory } from "../transport/scratch.js";
import { ringbell } from "./run.js";

// The installed package has no benchmark: test/cli/tarball.test.ts.
describe("ringbell bench", () => {
  it("runs the quick suite of a checkout, with peers that need no installation", async () => {
    const directory = scratchDirectory();
    const listed = await ringbell(["bench", "--list"]);
    expect(listed).toMatchObject({ code: 0, stderr: "" });
    const peers = /^peers: (.*)$/m.exec(listed.stdout)![1]!.split(", ");
    expect(peers).toEqual(expect.arrayContaining(["net-unix", "ringbell", "ringbell-polling"]));
    for (const absent of ["boost", "flag", "ring", "ws", "zeromq", "grpc"])
      expect(peers).not.toContain(absent);

    const file = join(directory, "record.json");
    const measured = await ringbell(["bench", "latency", "--peers", "net,loop-struct", "--json", file]);
    expect(measured).toMatchObject({ code: 0, stderr: "" });
    const record = JSON.parse(readFileSync(file, "utf8")) as Saved;
    expect(record).toMatchObject({ quick: true });
    expect(record.suites[0]!.results.map(({ name, status }) => [name, status])).toEqual([
      ["loop-struct", "measured"],
      ["net", "measured"],
    ]);
  });

  it("hands on what the benchmark says of the command line, and its exit code", async () => {
    const { code, stdout, stderr } = await ringbell(["bench", "--peers", "nobody"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain('no peer is called "nobody"; there are ');
  });
});
