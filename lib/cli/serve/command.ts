import { setTimeout as sleep } from "node:timers/promises";
import { CallError, contract, serve as serveContract } from "../../rpc/index.js";
import { type Command, DIRECTORY, NAMESPACE } from "../command.js";
import { safe } from "../format.js";
import { askedToEnd } from "../signals.js";
import { UsageError } from "../usage-error.js";
import { whereOf } from "../where.js";

/** The longest work of the trial service, in ms, and the most items. */
const LONGEST = 60_000;
const MOST = 1_000_000;

interface Trial {
  echo(params: object): Promise<unknown>;
  work(params: { ms: number }): Promise<string>;
  count(params: { to: number }): AsyncIterable<number>;
  fail(params: { message?: string }): Promise<never>;
  pid(): Promise<number>;
}

/** `ringbell serve` serves a few methods, to try calls by. */
export const serve: Command = {
  name: "serve",
  operands: "[NAME]",
  summary: "serve a few methods, to try calls by",
  text: [
    'Serves under NAME (default: trial), until Ctrl+C: echo returns its parameters; work {"ms": 1000} reports its progress; ' +
      'count {"to": 5} is a stream; fail {"message": "no"} fails; pid returns the process id. ' +
      "Call them by ringbell call, by a program with the library, or by lines of JSON on the socket.",
  ],
  options: [NAMESPACE, DIRECTORY],
  async begin({ values, operands, command }, { print }) {
    const [name = "trial", ...more] = operands;
    if (more.length > 0 || command !== undefined) throw new UsageError("serve takes one NAME");
    const service = await serveContract(
      contract<Trial>(name, { count: "stream" }),
      HANDLERS,
      whereOf(values),
    );
    print(safe(`serving ${name} at ${service.path}`));
    print(safe(`try: ringbell call ${name} work '{"ms":2000}'`));
    await askedToEnd();
    await service.close();
    return 0;
  },
};

const HANDLERS = {
  echo: async (params: object) => params,
  async work({ ms }: { ms: number }, call: { cancelled: boolean; progress(value: unknown): Promise<void> }) {
    const steps = 20;
    const step = amount(ms, "ms", LONGEST) / steps;
    for (let done = 1; done <= steps && !call.cancelled; done++) {
      await sleep(step);
      await call.progress({ done: done / steps });
    }
    return "done";
  },
  async *count({ to }: { to: number }) {
    const end = amount(to, "to", MOST);
    for (let i = 1; i <= end; i++) yield i;
  },
  fail: async ({ message = "as you wished" }: { message?: string }) => {
    throw new CallError(1, String(message), { wished: true });
  },
  pid: async () => process.pid,
};

function amount(value: unknown, name: string, most: number): number {
  if (typeof value === "number" && value >= 0 && value <= most) return value;
  throw new CallError(-32602, `${name} must be a number from 0 to ${most}`);
}
