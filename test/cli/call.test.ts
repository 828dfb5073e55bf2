import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { contract, open, request, serve, stream } from "ringbell/rpc";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { ending, privateDirectory, until } from "../rpc/setup.js";
import { MAIN, ringbell } from "./run.js";

const tools = contract("tools", {
  search: request(z.object({ q: z.string() }), z.array(z.string()), { progress: z.number() }),
  tail: stream(z.object({ to: z.number() }), z.object({ line: z.number() })),
  hang: request(),
});

async function serving() {
  const directory = privateDirectory();
  const cancelled: string[] = [];
  const handlers = {
    search: async ({ q }: { q: string }, call: { progress(value: number): Promise<void> }) => {
      for (const done of [0.5, 1]) await call.progress(done);
      return [q, `${q}\u001b[31m!`];
    },
    async *tail({ to }: { to: number }) {
      for (let line = 0; line < to; line++) yield { line };
    },
    hang: (_: unknown, { signal }: { signal: AbortSignal }) => {
      cancelled.push("begun");
      signal.addEventListener("abort", () => cancelled.push("aborted"));
      return new Promise<undefined>(() => {});
    },
  };
  ending(await serve(tools, handlers as never, { directory }));
  const call = (...args: string[]) => ringbell(["call", "-d", directory, "tools", ...args]);
  return { directory, call, cancelled };
}

describe("ringbell call", () => {
  it("prints the result, and nothing of the progress where there is no terminal (S1.6)", async () => {
    const { call } = await serving();
    const { code, stdout, stderr } = await call("search", '{"q":"x"}');
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain('"x"');
    // A service can't make the terminal do anything.
    expect(stdout).not.toContain("\u001b");
  });

  it("prints the items of a stream, each on a line", async () => {
    const { call } = await serving();
    expect(await call("tail", '{"to":1000}')).toEqual({
      code: 0,
      stdout: Array.from({ length: 1000 }, (_, line) => `{"line":${line}}\n`).join(""),
      stderr: "",
    });
  });

  it("prints lines of JSON with --json: progress, items, result, error", async () => {
    const { call } = await serving();
    const lines = async (...args: string[]) => {
      const { code, stdout } = await call(...args, "--json");
      return {
        code,
        lines: stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line)),
      };
    };
    expect(await lines("search", '{"q":"x"}')).toEqual({
      code: 0,
      lines: [{ progress: 0.5 }, { progress: 1 }, { result: ["x", "x\u001b[31m!"] }],
    });
    expect(await lines("tail", '{"to":2}')).toEqual({
      code: 0,
      lines: [{ item: { line: 0 } }, { item: { line: 1 } }],
    });
    expect(await lines("search", '{"q":5}')).toMatchObject({ code: 1, lines: [{ error: { code: -32602 } }] });
    expect(await lines("none")).toMatchObject({ code: 1, lines: [{ error: { code: -32601 } }] });
  });

  it("says in one line what went wrong", async () => {
    const { call, directory } = await serving();
    const failed = await call("none");
    expect([failed.code, failed.stdout]).toEqual([1, ""]);
    expect(failed.stderr).toMatch(/^ringbell: no method none.*ERR_RINGBELL_CALL\)\n$/);
    const nobody = await ringbell(["call", "-d", directory, "nobody", "x"]);
    expect(nobody).toMatchObject({ code: 1, stdout: "" });
    expect(nobody.stderr).toContain("ERR_RINGBELL_NOT_FOUND");
    const late = await call("hang", "--timeout", "20");
    expect(late.stderr).toContain("ERR_RINGBELL_TIMEOUT");
    for (const args of [["search", "{"], ["search", "5"], ["search", "{}", "{}"], [], ["search", "-t", "x"]])
      expect(await call(...args), args.join(" ")).toMatchObject({ code: 2, stdout: "" });
  });

  it("cancels the call at Ctrl+C", async () => {
    const { directory, cancelled } = await serving();
    const child = spawn(process.execPath, [MAIN, "call", "-d", directory, "tools", "hang"]);
    onTestFinished(() => void child.kill("SIGKILL"));
    await until(() => cancelled.includes("begun"));
    child.kill("SIGINT");
    expect(await once(child, "close")).toEqual([1, null]);
    await until(() => cancelled.includes("aborted"));
  });
});

describe("ringbell serve", () => {
  it("serves a few methods until it is asked to end, to programs and to ringbell call", async () => {
    const directory = privateDirectory();
    const child = spawn(process.execPath, [MAIN, "serve", "-d", directory]);
    onTestFinished(() => void child.kill("SIGKILL"));
    const [line] = await once(createInterface({ input: child.stdout }), "line");
    expect(line).toBe(`serving trial at ${directory}/default/trial.sock`);
    const trial = contract<{
      echo(params: object): Promise<object>;
      work(params: { ms: number }): Promise<string>;
      pid(): Promise<number>;
      fail(params: object): Promise<void>;
    }>("trial");
    const client = ending(await open(trial, { directory }));
    expect(await client.pid()).toBe(child.pid);
    expect(await client.echo({ a: [1] })).toEqual({ a: [1] });
    const reports: unknown[] = [];
    expect(await client.work({ ms: 20 }, { onProgress: (report) => reports.push(report) })).toBe("done");
    expect(reports.length).toBe(20);
    await expect(client.work({ ms: 1e9 })).rejects.toMatchObject({ rpcCode: -32602 });
    await expect(client.fail({ message: "no" })).rejects.toMatchObject({ rpcCode: 1, message: "no" });
    const counted = await ringbell(["call", "-d", directory, "trial", "count", '{"to":3}']);
    expect(counted.stdout).toBe("1\n2\n3\n");
    child.kill("SIGINT");
    expect(await once(child, "close")).toEqual([0, null]);
  });
});
