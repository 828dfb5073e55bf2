import { text as readAll } from "node:stream/consumers";
import type { Mailboxes, Message, StoredMessage } from "../../mailbox/index.js";
import { text } from "../arguments.js";
import type { Option, Output, Values } from "../command.js";
import { plural } from "../format.js";
import { UsageError } from "../usage-error.js";
import { line, showBoxes, showMessage } from "./view.js";

export interface Run {
  readonly mail: Mailboxes;
  readonly values: Values;
  readonly operands: readonly string[];
  readonly output: Output;
  readonly json: boolean;
}

/** One of the things that `ringbell mail` does. */
export interface Action {
  readonly summary: string;
  readonly operands: readonly string[];
  readonly options: readonly Option[];
  /** Whether it reads messages page by page: of one box, or of all by the positions that they have in common. */
  readonly pages?: boolean;
  /** Resolves with the exit code. */
  run(run: Run): Promise<number>;
}

/** How often `--watch` and `tail` look, in ms. */
const LOOK = 250;
const PAGE = 1000;
const PRIORITIES: readonly string[] = ["interrupt", "normal", "notice"];
const CLEAR = "\u001b[H\u001b[J";

const ls: Action = {
  summary: "how many messages each box holds, and who waits",
  operands: ["[BOX]"],
  options: [{ name: "watch", short: "w", text: "ls: look again and again, until Ctrl+C" }],
  async run({ mail, values, operands: [box], output, json }) {
    const show = async () => {
      const status = await mail.status();
      const boxes = status.boxes.filter(({ name }) => box === undefined || name === box);
      const found = { ...status, boxes };
      return json ? JSON.stringify(found, null, values.watch ? 0 : 2) : showBoxes(found, output).join("\n");
    };
    if (!values.watch) {
      output.print(await show());
      return 0;
    }
    return again(async () => {
      // A terminal shows one picture that changes; a pipe gets them one after the other.
      output.print((output.width === undefined || json ? "" : CLEAR) + (await show()));
    });
  },
};

const post: Action = {
  summary: "stores a message; without TEXT, what comes by standard input",
  operands: ["BOX", "[TEXT]"],
  options: [
    { name: "from", value: "NAME", text: "post: the sender's name" },
    { name: "id", value: "ID", text: "post: an id; a second post with it stores nothing" },
    { name: "priority", value: "KIND", text: "post: interrupt, normal or notice (default: normal)" },
  ],
  async run({ mail, values, operands: [box, given], output, json }) {
    const priority = text(values, "priority");
    if (priority !== undefined && !PRIORITIES.includes(priority)) {
      throw new UsageError(`--priority must be ${PRIORITIES.join(", ")}; it is "${priority}"`);
    }
    const body = given ?? (await readAll(process.stdin));
    const receipt = await mail.post(box!, body, {
      from: text(values, "from"),
      id: text(values, "id"),
      priority: priority as "normal" | undefined,
    });
    const { position, duplicate, readers } = receipt;
    const note = readers === "never" ? " (nobody has ever read this box)" : "";
    output.print(
      json
        ? JSON.stringify(receipt)
        : `${duplicate ? "stored before" : "stored"} at position ${position}${note}`,
    );
    return 0;
  },
};

const fetch: Action = {
  summary: "takes all that is there",
  operands: ["BOX"],
  options: [],
  async run({ mail, operands: [box], output, json }) {
    for (;;) {
      const messages = await mail.fetch(box!, { ack: false });
      if (messages.length === 0) return 0;
      for (const message of messages) {
        print(output, json, message);
        await message.ack();
      }
    }
  },
};

const wait: Action = {
  summary: "takes the next message, and waits for it; exit code 1 if none comes",
  operands: ["BOX"],
  options: [
    { name: "timeout", short: "t", value: "SECONDS", text: "wait: how long, 0 to 300 (default: 60)" },
  ],
  async run({ mail, values, operands: [box], output, json }) {
    const given = text(values, "timeout");
    const seconds = given === undefined ? undefined : Number(given);
    if (seconds !== undefined && !(seconds >= 0 && seconds <= 300)) {
      throw new UsageError(`--timeout must be a number of seconds from 0 to 300; it is ${given}`);
    }
    const timeout = seconds === undefined ? undefined : seconds * 1000;
    const message = await mail.wait(box!, { timeout, ack: false });
    if (message === undefined) return 1;
    print(output, json, message);
    await message.ack();
    return 0;
  },
};

const tail: Action = {
  summary: "shows messages as they are posted, without taking them, until Ctrl+C",
  operands: ["[BOX]"],
  options: [],
  pages: true,
  async run({ mail, operands: [box], output, json }) {
    let after = 0;
    for await (const { position } of stored(mail, box, undefined)) after = position;
    return again(async () => {
      for await (const message of stored(mail, box, undefined, after)) {
        after = message.position;
        print(output, json, message);
      }
    });
  },
};

const dead: Action = {
  summary: "shows the dead letters, and why they are",
  operands: ["[BOX]"],
  options: [],
  pages: true,
  async run({ mail, operands: [box], output, json }) {
    for await (const message of stored(mail, box, "dead")) print(output, json, message);
    return 0;
  },
};

const requeue: Action = {
  summary: "puts dead letters back: all, or the one at a position; exit code 1 if none is there",
  operands: ["BOX", "[POSITION]"],
  options: [],
  async run({ mail, operands: [box, given], output, json }) {
    const position = Number(given);
    if (given !== undefined && !(Number.isSafeInteger(position) && position > 0)) {
      throw new UsageError(`POSITION must be a number, as mail dead shows it; it is ${given}`);
    }
    const count = await mail.box(box!).requeue(given === undefined ? undefined : [position]);
    const none = given !== undefined && count === 0;
    const said = none
      ? `no dead letter at position ${given} of ${box}`
      : `${plural(count, "message")} put back`;
    output.print(json ? JSON.stringify({ requeued: count }) : said);
    return none ? 1 : 0;
  },
};

const dump: Action = {
  summary: "prints all messages, each a line of JSON, in the order of posting; takes nothing",
  operands: ["[BOX]"],
  options: [],
  pages: true,
  async run({ mail, operands: [box], output }) {
    for await (const message of stored(mail, box, undefined)) output.print(line(message));
    return 0;
  },
};

export const ACTIONS: Readonly<Record<string, Action>> = { ls, post, fetch, wait, tail, dead, requeue, dump };

function print(output: Output, json: boolean, message: Message | StoredMessage): void {
  output.print(json ? line(message) : showMessage(message, output));
}

/** All messages after a position, page by page. */
async function* stored(
  mail: Mailboxes,
  box: string | undefined,
  state: "dead" | undefined,
  after = 0,
): AsyncGenerator<StoredMessage> {
  for (let from = after; ; ) {
    const options = { after: from, limit: PAGE, ...(state === undefined ? {} : { state }) };
    const page = await (box === undefined ? mail.list(options) : mail.box(box).list(options));
    yield* page;
    if (page.length === 0) return;
    from = page.at(-1)!.position;
  }
}

/** Does something again and again until Ctrl+C. */
async function again(call: () => Promise<void>): Promise<number> {
  let stopped = false;
  let wake = () => {};
  const stop = () => {
    stopped = true;
    wake();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  while (!stopped) {
    await call();
    await new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, LOOK);
    });
  }
  return 0;
}
