import { Recording, type TapEvent } from "../../watch/index.js";
import { isOn, text } from "../arguments.js";
import { type Command, DIRECTORY, NAMESPACE, type Values } from "../command.js";
import { duration, plural } from "../format.js";
import { WAIT } from "../joining.js";
import { numberOf } from "../looking.js";
import { askedToEnd } from "../signals.js";
import { LANE, PEER, WAY, wantedStreams } from "../tap/command.js";
import { matcher } from "../tap/filter.js";
import { Writer } from "../tap/view.js";
import { UsageError } from "../usage-error.js";
import { Pacer } from "./pacer.js";
import { Players } from "./players.js";

/** `ringbell replay` sends what was recorded, or shows it. */
export const replay: Command = {
  name: "replay",
  operands: "FILE [NAME]",
  summary: "send again what was recorded, or show it",
  text: [
    "With NAME, connects to that endpoint once for each channel of the recording, and sends what its peers have sent, at the same pace. " +
      "What the endpoint answers is taken and counted.",
    "Without NAME, prints the messages as ringbell tap does.",
  ],
  options: [
    NAMESPACE,
    DIRECTORY,
    {
      name: "speed",
      short: "s",
      value: "N",
      text: "so many times as fast; 0: as fast as possible (default: 1; without NAME: 0)",
    },
    { name: "from", value: "SECONDS", text: "begin so long after the beginning of the recording" },
    {
      name: "filter",
      short: "f",
      value: "TEXT",
      text: "print: only messages with this text, or that /a pattern/ fits",
    },
    LANE,
    { ...WAY, text: "only out (from the endpoint) or in (to it); with NAME, in is the default" },
    PEER,
    WAIT,
    { name: "json", text: "print: a line of JSON a message" },
  ],
  async begin({ values, operands }, output) {
    const [path, name, ...more] = operands;
    if (path === undefined) throw new UsageError("replay needs FILE [NAME]");
    if (more.length > 0) throw new UsageError(`replay takes FILE [NAME]; "${more[0]}" is one too many`);
    const speed = numberOf(values, "speed", name === undefined ? 0 : 1, 0, 1_000_000, "a number");
    const filter = matcher(text(values, "filter"));
    const from = numberOf(values, "from", 0, 0, Number.MAX_SAFE_INTEGER, "a number of seconds");
    const wanted = wantedStreams(
      name !== undefined && text(values, "way") === undefined ? { ...values, way: "in" } : values,
    );
    const recording = new Recording(path);
    try {
      if (!recording.whole && !isOn(values, "json")) {
        output.print(
          output.style.dim(
            `the recording was cut off (${plural(recording.cutOff, "byte")} at its end are no whole message); it has ${plural(recording.index.messages, "message")}`,
          ),
        );
      }
      const start = recording.header.begun + 1000 * from;
      const events = recording.events(from === 0 ? undefined : start);
      const pacer = new Pacer(speed);
      void askedToEnd().then(() => pacer.stop());
      if (name !== undefined) {
        output.print(await send(recording, name, values, events, wanted, pacer));
        return 0;
      }
      const writer = new Writer(output, isOn(values, "json"));
      for (const event of events) {
        if (!wanted(event.stream)) continue;
        if ("time" in event && !(await pacer.until(event.time))) break;
        if (event.type === "message") writer.message(event, filter);
        else writer.note(event);
      }
      return 0;
    } finally {
      recording.close();
    }
  },
};

/** Sends the messages. Resolves with a sentence about it. */
async function send(
  recording: Recording,
  name: string,
  values: Values,
  events: Iterable<TapEvent>,
  wanted: (stream: TapEvent["stream"]) => boolean,
  pacer: Pacer,
): Promise<string> {
  const players = new Players(name, values, recording.index.streams);
  const begin = performance.now();
  try {
    for (const event of events) {
      if (event.type !== "message" || !wanted(event.stream)) continue;
      if (!(await pacer.until(event.time))) break;
      await players.send(event);
    }
    await players.finish();
  } finally {
    await players.close();
  }
  const { sent, skipped, received } = players;
  const left = skipped === 0 ? "" : `, ${plural(skipped, "message")} with blocks left out`;
  return `${plural(sent, "message")} sent${left}, ${received} received, in ${duration(performance.now() - begin)}`;
}
