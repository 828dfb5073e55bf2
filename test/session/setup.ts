import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Contract } from "ringbell/rpc";
import {
  type Attachment,
  type AttachOptions,
  attach,
  type Item,
  type ServeSessionOptions,
  serveSession,
} from "ringbell/session";
import { children, ending, privateDirectory } from "../cleanup.js";

export { ending, privateDirectory };

export type Transport = "shm" | "stream";
export const transports: readonly Transport[] = ["shm", "stream"];

/** A session in this process, and a function that attaches to it. */
export async function serving<Event = unknown, Snapshot = unknown, const Inputs extends Contract = Contract>(
  options: ServeSessionOptions<Event, Snapshot, Inputs> = {},
) {
  const directory = privateDirectory();
  const session = ending(await serveSession<Event, Snapshot, Inputs>("agent", { directory, ...options }));
  const attached = async (attaching: AttachOptions<Inputs> = {}) =>
    ending(await attach<Event, Snapshot, Inputs>("agent", { directory, ...attaching }));
  return { session, attached, directory };
}

/** Takes items until `count` of them have come, or until one satisfies `until`. */
export async function take<Event, Snapshot>(
  attachment: Attachment<Event, Snapshot, never> | AsyncIterable<Item<Event, Snapshot>>,
  until: number | ((item: Item<Event, Snapshot>) => boolean),
): Promise<Item<Event, Snapshot>[]> {
  const items: Item<Event, Snapshot>[] = [];
  for await (const item of attachment as AsyncIterable<Item<Event, Snapshot>>) {
    items.push(item);
    if (typeof until === "number" ? items.length >= until : until(item)) break;
  }
  return items;
}

/** The sequence number of an item: of a snapshot it is that of its last event. */
export const numbers = (items: readonly Item[]): number[] => items.map(({ sequence }) => sequence);

/** Whether items are a snapshot, or a place, and what follows it, with nothing left out that was not told. */
export function isGapFree(items: readonly Item[], start?: number): boolean {
  let after = start;
  for (const item of items) {
    const isNext =
      item.type === "snapshot"
        ? true
        : item.type === "event"
          ? item.sequence === (after ?? -1) + 1
          : item.sequence === (after ?? -1) + item.missed;
    if (!isNext) return false;
    after = item.sequence;
  }
  return true;
}

/** Waits for what happens in another turn of the event loop. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(1);
}

const module = (name: string) => JSON.stringify(new URL(`../../dist/${name}`, import.meta.url).href);

/**
 * A process that runs `code` with the library, `directory` and `report(text)` in scope. It uses dist/. `command`: what runs it, in place
 * of this Node.
 */
export function program(
  code: string,
  directory = privateDirectory(),
  command: readonly string[] = [process.execPath],
) {
  const source = `import { attach, serveSession, Session } from ${module("session/index.js")};
import { contract, request } from ${module("rpc/index.js")};
import { setTimeout as sleep } from "node:timers/promises";
const directory = ${JSON.stringify(directory)};
const report = (value) => process.stdout.write(JSON.stringify(value) + "\\n");
${code}`;
  const [path, ...more] = command;
  const options = [...more, "--unhandled-rejections=strict", "--input-type=module", "-e", source];
  // The warning that SQLite is an experiment of Node's is none of ours.
  const env = { ...process.env, NODE_OPTIONS: "--disable-warning=ExperimentalWarning" };
  const child = spawn(path!, options, {
    stdio: ["ignore", "pipe", "pipe"],
    env: path === process.execPath ? process.env : env,
  });
  children.push(child);
  let output = "";
  let error = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    error += text;
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    child.emit("report");
  });
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    output,
    error,
  }));
  const reports = () =>
    output
      .slice(0, output.lastIndexOf("\n") + 1)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown);
  /** Waits until the process has reported `count` values, and returns them. */
  const reported = async (count: number): Promise<unknown[]> => {
    while (reports().length < count) {
      const over = await Promise.race([once(child, "report").then(() => undefined), ended]);
      if (over !== undefined && reports().length < count)
        throw new Error(`the process ended early: ${over.error}`);
    }
    return reports();
  };
  return { child, ended, reported, reports, directory };
}
