import { once } from "node:events";
import {
  type Client,
  type ClientState,
  contract,
  type OpenOptions,
  open,
  request,
  serve,
} from "ringbell/rpc";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { reported, script } from "../channel/setup.js";
import { ending, privateDirectory } from "./setup.js";

const tools = contract("tools", {
  who: request(undefined, z.number(), { idempotent: true }),
  hang: request(undefined, z.null()),
  hangOnce: request(z.object({ times: z.number() }), z.number(), { idempotent: true }),
});

/** A service in a process of its own. It reports "ready". */
function service(directory: string, hangs = true) {
  const module = new URL("../../dist/rpc/index.js", import.meta.url).href;
  return script(
    `const { contract, serve } = await import(${JSON.stringify(module)});
    await serve(contract("tools"), {
      who: () => process.pid,
      hang: () => new Promise(() => {}),
      hangOnce: () => ${hangs ? "(report('called'), new Promise(() => {}))" : "process.pid"},
    }, { directory: ${JSON.stringify(directory)} });
    report("ready");`,
  );
}

async function started(directory: string, hangs?: boolean) {
  const process = service(directory, hangs);
  expect(await reported(process.child)).toBe("ready");
  return process;
}

async function opened(directory: string, options: OpenOptions = {}) {
  const client = ending(await open(tools, { directory, reconnect: true, ...options })) as Client<
    typeof tools
  >;
  const states: ClientState[] = [];
  client.on("state", (state) => states.push(state));
  return { client, states };
}

describe("a client that reconnects", () => {
  it("goes on with the next process of the service, and says what was lost", async () => {
    const directory = privateDirectory();
    const first = await started(directory);
    const { client, states } = await opened(directory);
    expect(await client.who()).toBe(first.child.pid);
    const lost = client.hang();
    await client.who();
    first.child.kill("SIGKILL");
    await expect(lost).rejects.toMatchObject({ code: "ERR_RINGBELL_CALL_LOST", mayHaveRun: true });
    const waiting = client.who();
    const second = await started(directory);
    expect(await waiting).toBe(second.child.pid);
    expect(states.slice(0, 2)).toEqual(["processing", "connected"]);
    expect(states).toContain("retry");
    expect(states.slice(-3)).toEqual(["reconnecting", "processing", "connected"]);
    await client.close();
    expect(client.state).toBe("closed");
    expect(await client.closed).toEqual({ reason: "ended", error: undefined });
    await expect(client.who()).rejects.toMatchObject({ mayHaveRun: false });
  });

  it("repeats an idempotent call whose answer was lost, within a budget (S0.51)", async () => {
    const directory = privateDirectory();
    const first = await started(directory);
    const { client } = await opened(directory);
    const calls = [1, 2].map((times) => client.hangOnce({ times }));
    const settled = Promise.allSettled(calls);
    await reported(first.child);
    await client.who();
    first.child.kill("SIGKILL");
    const second = await started(directory, false);
    const outcomes = await settled;
    // A budget of one, and a tenth for each call that was made.
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await client.who()).toBe(second.child.pid);
  });

  it("fails when the limits of its attempts are reached, and says so to calls that wait", async () => {
    const directory = privateDirectory();
    const first = await started(directory);
    const { client, states } = await opened(directory, { reconnect: { attempts: 2, minDelay: 1 } });
    first.child.kill("SIGKILL");
    await first.ended;
    await vi.waitFor(() => expect(states).toContain("retry"));
    await expect(client.who()).rejects.toMatchObject({ code: "ERR_RINGBELL_CALL_LOST", mayHaveRun: false });
    expect(states.at(-1)).toBe("failed");
    expect((await client.closed).error).toMatchObject({ code: "ERR_RINGBELL_NOT_FOUND" });
    expect(await client.health()).toBe("dead");
  });

  it("lets calls that wait for a connection end by time and signal, and closes while it waits", async () => {
    const directory = privateDirectory();
    const first = await started(directory);
    const { client, states } = await opened(directory, {
      reconnect: { minDelay: 3_600_000, maxDelay: 3_600_000 },
    });
    first.child.kill("SIGKILL");
    await vi.waitFor(() => expect(states).toContain("retry"));
    await expect(client.who(undefined, { timeout: 5 })).rejects.toMatchObject({
      code: "ERR_RINGBELL_TIMEOUT",
    });
    const controller = new AbortController();
    const aborted = client.who(undefined, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    const waiting = client.who();
    await client.close();
    await expect(waiting).rejects.toMatchObject({ code: "ERR_RINGBELL_CALL_LOST", mayHaveRun: false });
  });

  it("does not repeat a call whose blocks went with the first try: it says what was lost", async () => {
    const directory = privateDirectory();
    const photos = contract("tools", { hangOnce: request(z.unknown(), z.unknown(), { idempotent: true }) });
    const first = await started(directory);
    const client = ending(await open(photos, { directory, reconnect: true }));
    const port = client.port as unknown as { allocate(bytes: number): Promise<unknown> };
    const called = reported(first.child);
    const lost = client.hangOnce({ photo: await port.allocate(10) });
    expect(await called).toBe("called");
    first.child.kill("SIGKILL");
    const second = await started(directory, false);
    await expect(lost).rejects.toMatchObject({ code: "ERR_RINGBELL_CALL_LOST", mayHaveRun: true });
    expect(await client.hangOnce({})).toBe(second.child.pid);
  });

  it("goes through its states by a clock of the program's (S1.27)", async () => {
    const directory = privateDirectory();
    const handlers = { who: () => 1, hang: () => new Promise<null>(() => {}), hangOnce: () => 1 };
    const first = await serve(tools, handlers, { directory });
    const sleeps: ((value?: unknown) => void)[] = [];
    const slept: number[] = [];
    const clock = {
      now: () => slept.reduce((sum, ms) => sum + ms, 0),
      sleep: (ms: number) => {
        slept.push(ms);
        return new Promise<void>((resolve) => sleeps.push(resolve as () => void));
      },
    };
    const reconnect = { attempts: 4, minDelay: 100, maxDelay: 250, random: () => 0.5, clock };
    const { client, states } = await opened(directory, { reconnect });
    await first.close();
    await vi.waitFor(() => expect(states).toEqual(["retry"]));
    sleeps[0]!();
    await vi.waitFor(() => expect(states).toEqual(["retry", "reconnecting", "retry"]));
    sleeps[1]!();
    await vi.waitFor(() => expect(sleeps.length).toBe(3));
    const second = ending(await serve(tools, handlers, { directory }));
    const joined = once(second, "client");
    sleeps[2]!();
    await joined;
    await vi.waitFor(() => expect(client.state).toBe("connected"));
    expect(states).toEqual([
      "retry",
      "reconnecting",
      "retry",
      "reconnecting",
      "retry",
      "reconnecting",
      "connected",
    ]);
    // Full jitter: half of the limits 100, 100 and 200.
    expect(slept).toEqual([50, 50, 100]);
  });

  it("comes back with fifty others, none in step (S0.32)", async () => {
    const directory = privateDirectory();
    const first = await started(directory);
    const begins: number[] = [];
    const clients = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const { client } = await opened(directory, { reconnect: { minDelay: 200, maxDelay: 400 } });
        client.on("state", (state) => state === "reconnecting" && begins.push(performance.now()));
        return client;
      }),
    );
    first.child.kill("SIGKILL");
    const second = await started(directory);
    const answers = await Promise.all(clients.map((client) => client.who()));
    expect(new Set(answers)).toEqual(new Set([second.child.pid]));
    const firsts = begins.slice(0, 50).sort((a, b) => a - b);
    expect(firsts.at(-1)! - firsts[0]!).toBeGreaterThan(50);
  });
});
