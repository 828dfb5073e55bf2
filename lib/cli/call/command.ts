import { text as textOf } from "node:stream/consumers";
import { CallError, contract, open } from "../../rpc/index.js";
import type { RetryOptions } from "../../rpc/open.js";
import { isOn, text } from "../arguments.js";
import { type Command, DIRECTORY, JSON_OPTION, NAMESPACE, type Operands } from "../command.js";
import { askedToEnd } from "../signals.js";
import { UsageError } from "../usage-error.js";
import { whereOf } from "../where.js";
import { type Report, reportFor } from "./report.js";

/** `ringbell call` calls one method of a service that runs. */
export const call: Command = {
  name: "call",
  operands: "NAME METHOD [JSON]",
  summary: "call a method of a service",
  text: [
    "Calls a method of the service that listens under NAME, with the parameters JSON: an object or an array. With - they are read from " +
      "standard input. Prints the result, and of a stream each item on a line of its own.",
    'On a terminal it shows what the handler reports of its progress. With --json every line is JSON: {"progress": …}, {"item": …}, and ' +
      'at the end {"result": …} or {"error": …}. Ctrl+C cancels the call. Exit code 1 if the call failed.',
  ],
  options: [
    NAMESPACE,
    DIRECTORY,
    { name: "timeout", short: "t", value: "MS", text: "how long the answer may take (default: no limit)" },
    { name: "wait", short: "w", value: "MS", text: "how long to wait until somebody listens (default: 0)" },
    JSON_OPTION,
  ],
  async begin({ values, operands, command }, output) {
    const [name, method, json, ...more] = operands;
    if (name === undefined || method === undefined || more.length > 0 || command !== undefined)
      throw new UsageError("call takes NAME METHOD [JSON]");
    const timeout = milliseconds(values, "timeout");
    const wait = milliseconds(values, "wait") ?? 0;
    const params = paramsOf(json === "-" ? await textOf(process.stdin) : json);
    const retry: RetryOptions | false = wait > 0 && { attempts: 1_000_000, maxTotal: wait };
    // Of a method of which only the name is known: it may send items, and then its result.
    const methods = contract<Any>("any", { [method]: "stream" });
    const report = reportFor(output, isOn(values, "json"));
    await using client = await open(methods, { ...whereOf(values), name, retry });
    const items = client[method]!(params as never, {
      timeout,
      signal: stopped(),
      onProgress: report.progress,
    });
    // Awaited here: the client is closed when this function returns.
    return await print(items, report);
  },
};

interface Any {
  readonly [method: string]: (params: object | undefined) => AsyncIterable<unknown>;
}

/** Prints what comes. Returns the exit code. */
async function print(items: AsyncIterator<unknown, unknown>, report: Report): Promise<number> {
  try {
    for (let count = 0; ; count++) {
      const { done, value } = await items.next();
      if (done !== true) report.item(value);
      else {
        // A stream has no result of its own.
        if (count === 0 || value !== undefined) report.result(value);
        return 0;
      }
    }
  } catch (error) {
    if (!(error instanceof CallError) || !report.error(error)) throw error;
    return 1;
  } finally {
    report.end();
  }
}

function stopped(): AbortSignal {
  const controller = new AbortController();
  void askedToEnd().then(() => controller.abort(new Error("the call was cancelled")));
  return controller.signal;
}

function paramsOf(json: string | undefined): object | undefined {
  if (json === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new UsageError(`the parameters must be JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null)
    throw new UsageError(`the parameters must be an object or an array; they are ${json.trim()}`);
  return value;
}

function milliseconds(values: Operands["values"], name: string): number | undefined {
  const given = text(values, name);
  if (given === undefined) return undefined;
  const value = Number(given);
  if (given.trim() === "" || !(value >= 0 && value <= 86_400_000))
    throw new UsageError(`--${name} must be a number of milliseconds from 0 to 86400000; it is "${given}"`);
  return value;
}
