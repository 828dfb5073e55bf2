import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { MailboxesOptions } from "ringbell/mailbox";
import { onTestFinished } from "vitest";
import { type Member, member, sqliteNode } from "./setup.js";

const PAUSE = 250;

const program = fileURLToPath(new URL("./programs/chaos.mjs", import.meta.url));

/** What the processes were told, by number of the message. */
export class Book {
  readonly accepted = new Set<string>();
  readonly got = new Set<string>();
  readonly acked = new Set<string>();
  /** Delivered after an acknowledgement that was confirmed. */
  readonly repeated: string[] = [];
  /** Everything else that must not be. */
  readonly wrong: string[] = [];
  readonly #ordered: boolean;
  constructor(ordered: boolean) {
    this.#ordered = ordered;
  }

  /** Accepted, and delivered to nobody. */
  get lost(): string[] {
    return [...this.accepted].filter((message) => !this.got.has(message));
  }

  /** The last number of each sender that came for the first time, by taker. */
  readonly #last = new Map<string, number>();

  hear(who: string, line: string): void {
    const [what, ...rest] = line.split(" ");
    if (what === "accepted") {
      for (let n = Number(rest[0]); n <= Number(rest[1]); n++) this.accepted.add(`${who} ${n}`);
    } else if (what === "got") {
      const [sender, number, attempt] = [rest[0]!, Number(rest[1]), Number(rest[2])];
      const message = `${sender} ${number}`;
      if (this.acked.has(message)) this.repeated.push(message);
      this.got.add(message);
      if (attempt !== 1) return;
      const key = `${who} ${sender}`;
      const last = this.#last.get(key) ?? -1;
      if (this.#ordered && number <= last) this.wrong.push(`${who}: ${message} came after ${last}`);
      this.#last.set(key, number);
    } else if (what === "acked") this.acked.add(`${rest[0]} ${rest[1]}`);
    else if (what === "trouble") this.wrong.push(`${who}: ${line}`);
  }
}

/** Something else that is killed now and then, and starts again by itself. */
export interface Victim {
  kill(): Promise<void>;
}

/**
 * Two processes post numbers and two take them, for so many seconds. One of them, or of the others, is killed at random every quarter of a second.
 * Then one more process takes the rest. Returns what all were told. `ordered`: whether first deliveries must come in the order of posting.
 */
export async function chaos(
  options: MailboxesOptions,
  seconds: number,
  messages: number,
  { victims = [], ordered = true }: { readonly victims?: readonly Victim[]; readonly ordered?: boolean } = {},
): Promise<{ readonly book: Book; readonly last: Member }> {
  const book = new Book(ordered);
  const node = sqliteNode();
  const running = new Map<string, { child: ChildProcess; exited: Promise<unknown> }>();
  const next = new Map([
    ["p0", 0],
    ["p1", 0],
  ]);
  const finished = new Set<string>();
  const most = messages / next.size;
  let stopping = false;
  let lives = 0;

  const start = (who: string) => {
    const isPoster = who.startsWith("p");
    const args = isPoster ? ["post", who, String(next.get(who)), String(most)] : ["take"];
    const child = spawn(node, [program, ...args, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
    });
    // Each life of a taker counts by itself: what the former printed last may be read after what the next printed first.
    const life = isPoster ? who : `${who}.${lives++}`;
    const lines = createInterface({ input: child.stdout! }).on("line", (line) => {
      if (line === "finished") finished.add(who);
      if (line.startsWith("accepted")) next.set(who, Number(line.split(" ")[2]) + 1);
      book.hear(life, line);
    });
    const exited = Promise.all([once(child, "exit"), once(lines, "close")]);
    running.set(who, { child, exited });
  };
  const kill = async (who: string) => {
    const { child, exited } = running.get(who)!;
    child.kill("SIGKILL");
    await exited;
    // What was under way when a poster died may be stored or not; it does not use those numbers again.
    if (who.startsWith("p")) next.set(who, next.get(who)! + 64);
    if (!stopping && !finished.has(who)) start(who);
  };
  onTestFinished(async () => {
    stopping = true;
    for (const who of [...running.keys()]) await kill(who);
  });

  const all = ["t0", "p0", "t1", "p1"];
  for (const who of all) start(who);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * PAUSE * 2));
    const at = Math.floor(Math.random() * (all.length + victims.length));
    await (at < all.length ? kill(all[at]!) : victims[at - all.length]!.kill());
  }
  stopping = true;
  for (const who of all) await kill(who);

  const last = await member(options);
  for (let some = 1; some > 0; ) {
    const rest = await last.call<{ body: number; from: { name: string } }[]>("fetch", "box");
    for (const { body, from } of rest) book.hear("last", `got ${from.name} ${body} 2`);
    some = rest.length;
  }
  if (process.env.RINGBELL_TEST_CHAOS !== undefined) {
    const { accepted, got, acked } = book;
    const { epoch } = await last.call<{ epoch: number }>("status");
    console.info({ accepted: accepted.size, got: got.size, acked: acked.size, lives, epoch });
  }
  return { book, last };
}
