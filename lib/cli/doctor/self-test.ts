import type { Channel } from "../../channel/channel.js";
import { connect } from "../../channel/connect.js";
import { listen } from "../../channel/listen.js";
import type { CommonOptions } from "../../channel/options.js";
import { tryBinding } from "../../native/load.js";
import { failureOf, type TestResult } from "./report.js";

/** WARM_UP: round trips that are not counted. ROUNDS: round trips that are. DEADLINE: how long (ms) all of them may take. */
const WARM_UP = 2000;
const ROUNDS = 3000;
const DEADLINE = 5000;

type Options = Pick<CommonOptions<unknown, unknown>, "transport" | "backing">;

/**
 * Sends messages to and fro between two ends in this process: with the defaults, and by every transport and
 * backing. The tests run one after the other.
 */
export async function selfTest(): Promise<TestResult[]> {
  const shm = (backing: "sealed" | "named"): Options => ({ transport: "shm", backing });
  const cases: [TestResult["name"], Options, string | undefined][] = [
    ["default", {}, undefined],
    ["shm sealed", shm("sealed"), whyNot("sealed")],
    ["shm named", shm("named"), whyNot("named")],
    ["stream", { transport: "stream" }, undefined],
  ];
  const results: TestResult[] = [];
  for (const [name, options, obstacle] of cases) {
    results.push(
      obstacle === undefined
        ? await runTest(name, options)
        : { ...empty(name), state: "skipped", error: { code: null, message: obstacle } },
    );
  }
  return results;
}

function whyNot(backing: "sealed" | "named"): string | undefined {
  try {
    if (tryBinding() === undefined) return "needs the addon";
  } catch {
    return "needs the addon";
  }
  return backing === "sealed" && process.platform !== "linux" ? "only on Linux" : undefined;
}

async function runTest(name: TestResult["name"], options: Options): Promise<TestResult> {
  // The names lie in the usual directory, in a namespace of their own that goes away with the server.
  const place = { namespace: `doctor-${process.pid.toString(36)}`, handshakeTimeout: DEADLINE, ...options };
  try {
    const server = await listen("t", place);
    try {
      server.on("connection", (channel) => {
        channel.on("message", (message) => void channel.send(message).catch(() => {}));
      });
      const channel = await connect("t", { ...place, retry: false });
      try {
        const times = await roundTrips(channel);
        return {
          name,
          state: "passed",
          transport: channel.transport,
          rounds: times.length,
          p50: rank(times, 0.5),
          p99: rank(times, 0.99),
          error: null,
        };
      } finally {
        await channel.close({ timeout: 1000 });
      }
    } finally {
      await server.close();
    }
  } catch (error) {
    return { ...empty(name), state: "failed", error: failureOf(error) };
  }
}

/** Measures round trips. Returns the times in µs, sorted. Rejects if an answer is wrong or does not come in time. */
function roundTrips(channel: Channel): Promise<Float64Array> {
  return new Promise((resolve, reject) => {
    const times = new Float64Array(ROUNDS);
    let round = -WARM_UP;
    let begun = 0;
    const timer = setTimeout(() => {
      const done = round + WARM_UP;
      reject(new Error(`no answer: ${done} of ${WARM_UP + ROUNDS} round trips in ${DEADLINE / 1000} s`));
    }, DEADLINE);
    const send = () => {
      begun = performance.now();
      if (!channel.trySend({ round })) fail(new Error("there was no room in an empty lane"));
    };
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    channel.on("close", (reason, error) => fail(error ?? new Error(`the channel closed: ${reason}`)));
    channel.on("message", (message) => {
      if (round >= 0) times[round] = (performance.now() - begun) * 1000;
      if ((message as { round?: unknown } | null)?.round !== round) {
        return fail(new Error(`the answer is ${JSON.stringify(message)}, not that to round ${round}`));
      }
      round += 1;
      if (round < ROUNDS) return send();
      clearTimeout(timer);
      resolve(times.sort());
    });
    send();
  });
}

function rank(sorted: Float64Array, part: number): number {
  return Number(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!.toFixed(2));
}

function empty(name: TestResult["name"]): TestResult {
  return { name, state: "failed", transport: null, rounds: 0, p50: null, p99: null, error: null };
}
