import { describe, expect, it } from "vitest";
import {
  type Clock,
  DEFAULT_RETRY,
  NO_RETRY,
  type RetrySettings,
  retrying,
  systemClock,
} from "../../../lib/transport/places/retry.js";

/** A clock that only moves by sleeping. */
function fakeClock(): Clock & { slept: number[] } {
  let time = 1000;
  const slept: number[] = [];
  return {
    slept,
    now: () => time,
    sleep(delay) {
      slept.push(delay);
      time += delay;
      return Promise.resolve();
    },
  };
}

function settings(more: Partial<RetrySettings> = {}) {
  const clock = fakeClock();
  return {
    ...DEFAULT_RETRY,
    attempts: 8,
    minDelay: 10,
    maxDelay: 100,
    maxTotal: 1e9,
    random: () => 1,
    clock,
    ...more,
  };
}

async function failing(retry: RetrySettings): Promise<number> {
  let attempts = 0;
  const attempt = async () => {
    attempts += 1;
    throw new Error("no");
  };
  await expect(retrying(retry, undefined, attempt, () => true)).rejects.toThrow("no");
  return attempts;
}

describe("retries (S0.29)", () => {
  it("wait for a random part of a limit that doubles up to its own limit", async () => {
    const clock = fakeClock();
    expect(await failing(settings({ clock }))).toBe(8);
    expect(clock.slept).toEqual([10, 20, 40, 80, 100, 100, 100]);
    const jittered = fakeClock();
    let draw = 0;
    const draws = [0, 0.5, 0.25];
    await failing(settings({ attempts: 4, clock: jittered, random: () => draws[draw++]! }));
    expect(jittered.slept).toEqual([0, 10, 10]);
  });

  it("are bounded in number", async () => {
    expect(await failing(settings({ attempts: 3 }))).toBe(3);
    expect(await failing(settings({ ...NO_RETRY, clock: fakeClock() }))).toBe(1);
  });

  it("are bounded in total time, and do not sleep beyond it", async () => {
    const clock = fakeClock();
    await failing(settings({ clock, attempts: 1000, maxTotal: 250 }));
    expect(clock.slept).toEqual([10, 20, 40, 80, 100]);
  });

  it("stop at what does not get better by waiting", async () => {
    let attempts = 0;
    const attempt = async () => {
      attempts += 1;
      throw new Error(attempts === 2 ? "final" : "passing");
    };
    const again = (error: unknown) => (error as Error).message === "passing";
    await expect(retrying(settings(), undefined, attempt, again)).rejects.toThrow("final");
    expect(attempts).toBe(2);
  });

  it("end with the first success", async () => {
    let attempts = 0;
    const attempt = async () => {
      attempts += 1;
      if (attempts < 3) throw new Error("no");
      return "yes";
    };
    expect(await retrying(settings(), undefined, attempt, () => true)).toBe("yes");
  });

  it("end at once when the signal is aborted, also while they wait", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const waiting = systemClock.sleep(3_600_000, controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(
      retrying(
        settings(),
        controller.signal,
        async () => 1,
        () => true,
      ),
    ).rejects.toBe(reason);
  });
});
