import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AuditChain, verifyAudit } from "ringbell/session";
import { describe, expect, it } from "vitest";
import { ringbell } from "../cli/run.js";
import { privateDirectory, program, serving } from "./setup.js";

const file = () => join(privateDirectory(), "audit.jsonl");

/** A chain of `count` records. */
function chain(count: number): { path: string; head: string } {
  const path = file();
  const audit = new AuditChain(path);
  for (let n = 1; n <= count; n++) audit.append("input", { n });
  audit.close();
  return { path, head: audit.head };
}

describe("an audit chain", () => {
  it("has a record for each input, refusal and end of its session, each with the hash of the one before (S4.35)", async () => {
    const path = file();
    const { session, attached } = await serving({
      audit: path,
      roles: { boss: { inputs: "all" }, viewer: { inputs: [] } },
      handlers: {
        approve: () => "ok",
        fail: () => {
          throw new Error("no");
        },
      },
    });
    const boss = await attached({ role: "boss", client: "b" });
    await boss.input("approve", { call: 7 });
    await boss.input("approve", { text: "x".repeat(10_000) });
    await boss.input("fail").catch(() => {});
    const viewer = await attached({ role: "viewer", client: "v" });
    await viewer.refresh();
    await viewer.input("approve").catch(() => {});
    await session.close();
    const records = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.map(({ kind }) => kind)).toEqual([
      ...[
        "opened",
        "attached",
        "input",
        "applied",
        "input",
        "applied",
        "input",
        "failed",
        "attached",
        "snapshot",
        "refused",
      ],
      "closed",
    ]);
    expect(records[2]!.data).toEqual({
      client: "b",
      role: "boss",
      pid: process.pid,
      via: "channel",
      method: "approve",
      params: { call: 7 },
    });
    expect(records[4]!.data).toMatchObject({
      paramsLength: 10_011,
      paramsHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(records[10]!.data).toMatchObject({ client: "v", role: "viewer", code: -32012 });
    expect(await verifyAudit(path)).toMatchObject({ records: 12, head: records[11]!.hash });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("shows where a record was changed, removed, inserted or cut off", async () => {
    const { path, head } = chain(5);
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
    const wrong = async (changed: readonly string[], options = {}) => {
      writeFileSync(path, changed.map((line) => `${line}\n`).join(""));
      return verifyAudit(path, options).then(
        () => "whole",
        ({ line, message }: { line?: number; message: string }) => line ?? message,
      );
    };
    expect(await wrong(lines)).toBe("whole");
    expect(await wrong(lines.map((line) => line.replace('"n":3', '"n":4')))).toBe(3);
    expect(await wrong(lines.filter((_, i) => i !== 1))).toBe(2);
    expect(await wrong([lines[0]!, lines[0]!, ...lines.slice(1)])).toBe(2);
    expect(await wrong([...lines.slice(0, 2), "{}", ...lines.slice(2)])).toBe(3);
    expect(await wrong(lines.slice(0, 4))).toBe("whole");
    expect(await wrong(lines.slice(0, 4), { head })).toContain("records are missing");
    expect(await wrong(lines, { head })).toBe("whole");
    writeFileSync(path, lines.join("\n"));
    await expect(verifyAudit(path)).rejects.toMatchObject({ line: 5 });
    await expect(verifyAudit(`${path}x`)).rejects.toMatchObject({ code: "ERR_RINGBELL_AUDIT" });
  });

  it("goes on after its process was killed in the midst of a record", async () => {
    const { path } = chain(3);
    const { size } = statSync(path);
    truncateSync(path, size - 20);
    const audit = new AuditChain(path);
    audit.append("input", { n: 4 });
    audit.close();
    expect(await verifyAudit(path)).toMatchObject({ records: 4 });
    expect(JSON.parse(readFileSync(path, "utf8").split("\n")[2]!)).toMatchObject({
      kind: "recovered",
      sequence: 3,
    });
    appendFileSync(path, "garbage\n");
    expect(() => new AuditChain(path)).toThrow("the last record");
    expect(() => new AuditChain(join(path, "x"))).toThrow("can't be opened");
  });

  it("refuses inputs when it can't be written, because the disk is full", async () => {
    const audit = new AuditChain("/dev/full");
    expect(() => audit.append("input", {})).toThrow("ENOSPC");
    expect(audit.head).toBe("0".repeat(64));
    let applied = 0;
    const whole = new AuditChain(file());
    const { attached } = await serving({ audit: whole, handlers: { go: () => ++applied } });
    const ui = await attached();
    whole.close();
    await expect(ui.input("go")).rejects.toMatchObject({ rpcCode: -32014 });
    expect(applied).toBe(0);
  });

  it("does not fill the disk with refusals, and counts those that it leaves out", async () => {
    const path = file();
    const audit = new AuditChain(path);
    for (let n = 0; n < 10_000; n++) audit.refusal({ n });
    audit.append("input", {});
    const records = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.length).toBeLessThan(100);
    const written = records.filter(({ kind }) => kind === "refused").length;
    const counted = records.reduce((sum, { data }) => sum + (data.recordsNotWritten ?? 0), 0);
    expect(written + counted).toBe(10_000);
    expect(() => audit.append("input", { text: "x".repeat(70_000) })).toThrow("at most 65536 bytes");
    expect(await verifyAudit(path)).toMatchObject({ records: records.length });
  });

  it("is whole after its process was killed at any moment", async () => {
    const path = file();
    for (let round = 0; round < 3; round++) {
      const one = program(
        `const { AuditChain } = await import(${JSON.stringify(new URL("../../dist/session/index.js", import.meta.url).href)});
        const audit = new AuditChain(${JSON.stringify(path)});
        for (let n = 0; ; n++) {
          audit.append("input", { n });
          if (n === 20) report("written");
        }`,
      );
      await one.reported(1);
      one.child.kill("SIGKILL");
      await one.ended;
    }
    new AuditChain(path).close();
    expect((await verifyAudit(path)).records).toBeGreaterThan(60);
  });
});

describe("ringbell audit verify", () => {
  it("says how long the chain is, and ends with 1 where it is broken", async () => {
    const { path, head } = chain(3);
    const whole = await ringbell(["audit", "verify", path]);
    expect(whole).toMatchObject({ code: 0 });
    expect(whole.stdout).toContain("3 records");
    expect(whole.stdout).toContain(head);
    const json = await ringbell(["audit", "verify", path, "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ whole: true, records: 3, head });
    writeFileSync(path, readFileSync(path, "utf8").replace('"n":2', '"n":3'));
    const broken = await ringbell(["audit", "verify", path]);
    expect(broken).toMatchObject({ code: 1 });
    expect(broken.stdout).toContain("line 2");
    expect((await ringbell(["audit"])).code).toBe(2);
    expect((await ringbell(["audit", "verify"])).code).toBe(2);
  });
});
