// Stands for Vitest in suites that run outside of Node: its own runner and assertions, without its pools and transforms.
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from "@vitest/expect";
import { fn, spyOn } from "@vitest/spy";
import * as chai from "chai";

export {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  it,
  onTestFinished,
  test,
} from "@vitest/runner";
export { expectTypeOf } from "expect-type";

for (const part of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(part);

const plain = ((value: unknown, message?: string) =>
  chai.expect(value, message)) as never as typeof chai.expect;
export const expect = Object.assign(
  plain,
  chai.expect,
  (globalThis as never as Record<symbol, object>)[ASYMMETRIC_MATCHERS_OBJECT],
);
setState({ assertionCalls: 0, isExpectingAssertions: false } as never, expect as never);
const stubbed = new Map<string, string | undefined>();

function setEnv(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

/** Those of Vitest's helpers that the suites use. */
export const vi = {
  fn,
  spyOn,
  hoisted: <T>(make: () => T): T => make(),
  useFakeTimers(): never {
    throw new Error("there are no fake timers outside of Vitest");
  },
  useRealTimers(): void {},
  stubEnv(name: string, value: string | undefined): void {
    if (!stubbed.has(name)) stubbed.set(name, process.env[name]);
    setEnv(name, value);
  },
  unstubAllEnvs(): void {
    for (const [name, value] of stubbed) setEnv(name, value);
    stubbed.clear();
  },
  async waitFor<T>(condition: () => T | Promise<T>, { timeout = 1000, interval = 50 } = {}): Promise<T> {
    for (const end = Date.now() + timeout; ; ) {
      try {
        return await condition();
      } catch (error) {
        if (Date.now() > end) throw error;
        await new Promise((resolve) => setTimeout(resolve, interval));
      }
    }
  },
};
