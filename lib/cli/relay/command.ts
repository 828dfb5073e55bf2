import { relay as relayTo } from "../../relay/index.js";
import type { Framing } from "../../rpc/framing.js";
import { text } from "../arguments.js";
import { type Command, DIRECTORY, NAMESPACE, type Values } from "../command.js";
import { safe } from "../format.js";
import { joinStandardStreams, WAIT } from "../joining.js";
import { askedToEnd } from "../signals.js";
import { UsageError } from "../usage-error.js";
import { whereOf } from "../where.js";

const FRAMINGS: readonly Framing[] = ["lines", "length", "content-length"];

/** `ringbell relay` joins programs that speak by their standard streams to channels. */
export const relay: Command = {
  name: "relay",
  operands: "NAME [-- COMMAND …]",
  summary: "join a program's standard streams to a channel",
  text: [
    "With a command: listens under the name, and starts the command for each client that connects. What the client sends comes to its " +
      "standard input, and what it writes to its standard output goes to the client. Each ends with the other.",
    "Without: connects to the name, and joins it to its own standard streams.",
    "The messages are JSON text, which is not looked into. Programs connect by connect(name), with the codec json() or text().",
  ],
  options: [
    NAMESPACE,
    DIRECTORY,
    {
      name: "framing",
      short: "f",
      value: "HOW",
      text: "how messages follow one another on the streams: lines (default), length, or content-length, as language servers have it",
    },
    WAIT,
  ],
  async begin({ values, operands, command }, { print }) {
    const [name, ...more] = operands;
    if (name === undefined || more.length > 0)
      throw new UsageError("relay takes one name: relay NAME [-- COMMAND …]");
    const framing = framingOf(values);
    if (command === undefined) return joinStandardStreams(name, values, framing);
    if (command.length === 0) throw new UsageError("relay needs a command behind --");
    const running = await relayTo(name, command, {
      ...whereOf(values),
      framing,
      onChildEnd: (pid, how) => print(safe(`process ${pid ?? "?"} has ended: ${how}`)),
    });
    print(safe(`listening at ${running.path}`));
    await askedToEnd();
    await running.close();
    return 0;
  },
};

function framingOf(values: Values): Framing {
  const given = text(values, "framing") ?? "lines";
  const framing = FRAMINGS.find((one) => one === given);
  if (framing === undefined)
    throw new UsageError(`--framing must be ${FRAMINGS.join(", ")}; it is "${given}"`);
  return framing;
}
