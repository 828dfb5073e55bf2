import { NotFoundError } from "../../errors.js";
import { type Stream, Tap, type TapEvent } from "../../watch/index.js";
import { isOn, text } from "../arguments.js";
import {
  type Command,
  DIRECTORY,
  NAMESPACE,
  type Operands,
  type Option,
  type Output,
  type Values,
} from "../command.js";
import { numberOf, repeat, TIMEOUT } from "../looking.js";
import { UsageError } from "../usage-error.js";
import { whereOf } from "../where.js";
import { matcher } from "./filter.js";
import { Writer } from "./view.js";

/** How often the rings are read, and the endpoint is asked for its channels, in ms. */
const READ = 10;
const LOOK = 500;

export const LANE: Option = { name: "lane", value: "NAME", text: "only this lane" };
export const WAY: Option = { name: "way", value: "WAY", text: "only out (from the endpoint) or in (to it)" };
export const PEER: Option = { name: "peer", value: "PEER", text: "only peers of this pid or role" };
export const HISTORY: Option = {
  name: "history",
  text: "begin with what is still in the rings, an eighth of them at least",
};

/** `ringbell tap` shows the messages of an endpoint, without its knowing. */
export const tap: Command = {
  name: "tap",
  operands: "NAME",
  summary: "show the messages that pass, without slowing those who talk",
  text: [
    "Reads the rings of an endpoint's channels and prints each message, decoded as far as its codec is known. It writes nothing, and nobody " +
      "waits for it; what it is too slow for is counted as missed.",
    "The process must allow it: started with RINGBELL_TAP=1, or by the option tap of listen. It needs shared memory, and Linux.",
  ],
  options: [
    NAMESPACE,
    DIRECTORY,
    {
      name: "filter",
      short: "f",
      value: "TEXT",
      text: "only messages with this text, or that /a pattern/ fits",
    },
    LANE,
    WAY,
    PEER,
    HISTORY,
    { name: "count", short: "c", value: "N", text: "end after so many messages" },
    TIMEOUT,
    { name: "json", text: "print a line of JSON a message" },
  ],
  async begin(args, output) {
    const { values } = args;
    const filter = matcher(text(values, "filter"));
    let left = numberOf(
      values,
      "count",
      Number.POSITIVE_INFINITY,
      1,
      Number.MAX_SAFE_INTEGER,
      "a number of messages",
    );
    const writer = new Writer(output, isOn(values, "json"));
    await watch({
      args,
      name: "tap",
      wanted: wantedStreams(values),
      take: (event) => {
        if (event.type !== "message") writer.note(event);
        else if (writer.message(event, filter)) left -= 1;
        return left > 0;
      },
      output,
    });
    return 0;
  },
};

/** How an endpoint is watched. */
export interface Watching {
  readonly args: Operands;
  /** The name of the command. */
  readonly name: string;
  readonly wanted: (stream: Stream) => boolean;
  /** Called when the endpoint has let us in. */
  readonly begun?: () => void;
  /** Gets what passes. Returns whether there should be more. */
  readonly take: (event: TapEvent) => boolean;
  /** Called after each round of reading. */
  readonly taken?: () => void;
  readonly output: Output;
}

/** Hands over what passes on an endpoint until `take` returns false, the endpoint ends, or the user does. */
export async function watch({ args, name, wanted, begun, take, taken, output }: Watching): Promise<void> {
  const { values, operands, command } = args;
  const [endpoint, ...more] = operands;
  if (endpoint === undefined || command !== undefined) {
    throw new UsageError(`${name} needs the NAME of an endpoint`);
  }
  if (more.length > 0 && name === "tap") {
    throw new UsageError(`${name} takes NAME; "${more[0]}" is one too many`);
  }
  const timeout = numberOf(values, "timeout", 1000, 1, 600_000, "a number of milliseconds");
  const tapped = new Tap(endpoint, { ...whereOf(values), timeout, history: isOn(values, "history") });
  let goesOn = true;
  const give = (events: readonly TapEvent[]) => {
    for (const event of events) if (goesOn && wanted(event.stream)) goesOn = take(event);
    taken?.();
  };
  try {
    const first = await tapped.look();
    begun?.();
    give(first);
    if (tapped.size === 0 && output.width !== undefined) {
      output.print(output.style.dim("no peer is connected yet"));
    }
    let looked = performance.now();
    await repeat(READ, async () => {
      give(tapped.read());
      if (goesOn && performance.now() - looked >= LOOK) {
        looked = performance.now();
        give(await tapped.look());
      }
      return goesOn;
    });
    if (goesOn) give(tapped.read());
  } catch (error) {
    // That the endpoint goes is an end as good as any.
    if (!(error instanceof NotFoundError) || !tapped.begun) throw error;
    give(tapped.read());
  } finally {
    tapped.close();
  }
}

/** Returns which streams the options choose. */
export function wantedStreams(values: Values): (stream: Stream) => boolean {
  const [lane, way, peer] = ["lane", "way", "peer"].map((name) => text(values, name));
  if (way !== undefined && way !== "out" && way !== "in")
    throw new UsageError(`--way must be out or in; it is "${way}"`);
  return (stream) =>
    (lane === undefined || stream.lane === lane) &&
    (way === undefined || stream.way === way) &&
    (peer === undefined || stream.peer.role === peer || String(stream.peer.pid) === peer);
}
