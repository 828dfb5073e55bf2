import {
  type Relay,
  relayFromSocket,
  relay as relayTo,
  relayToSocket,
  type SocketAddress,
} from "../../relay/index.js";
import type { Framing } from "../../rpc/framing.js";
import { text } from "../arguments.js";
import { type Command, DIRECTORY, NAMESPACE, type Values } from "../command.js";
import { safe } from "../format.js";
import { connecting, joinStandardStreams, WAIT } from "../joining.js";
import { askedToEnd } from "../signals.js";
import { UsageError } from "../usage-error.js";
import { whereOf } from "../where.js";

const FRAMINGS: readonly Framing[] = ["lines", "length", "content-length"];

/** `ringbell relay` joins programs that speak by their standard streams, or by sockets, to channels. */
export const relay: Command = {
  name: "relay",
  operands: "NAME [-- COMMAND …]",
  summary: "join a program's standard streams, or a socket, to a channel",
  text: [
    "With a command: listens under the name, and starts the command for each client that connects. What the client sends comes to its " +
      "standard input, and what it writes to its standard output goes to the client. Each ends with the other.",
    "Without: connects to the name, and joins it to its own standard streams.",
    "With --to: listens under the name, and makes a connection to a socket for each client. With --from: listens at the path of a " +
      "socket, and connects each of its clients to the name. That socket is open to your user alone.",
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
    {
      name: "to",
      value: "ADDRESS",
      text: "a socket that each client of the name is joined to: a path with a /, or HOST:PORT",
    },
    { name: "from", value: "PATH", text: "a socket to listen at, whose clients are joined to the name" },
    WAIT,
  ],
  async begin({ values, operands, command }, { print }) {
    const [name, ...more] = operands;
    if (name === undefined || more.length > 0)
      throw new UsageError("relay takes one name: relay NAME [-- COMMAND …]");
    const framing = framingOf(values);
    const [to, from] = [text(values, "to"), text(values, "from")];
    if ([to, from, command].filter((one) => one !== undefined).length > 1)
      throw new UsageError("relay takes one of --to, --from, and a command behind --");
    const onError = (error: Error) => print(safe(`a connection has ended: ${error.message}`));
    if (to !== undefined)
      return serve(await relayToSocket(name, addressOf(to), { ...whereOf(values), framing, onError }), print);
    if (from !== undefined)
      return serve(
        await relayFromSocket(name, pathOf(from), { ...connecting(values), framing, onError }),
        print,
      );
    if (command === undefined) return joinStandardStreams(name, values, framing);
    if (command.length === 0) throw new UsageError("relay needs a command behind --");
    const running = await relayTo(name, command, {
      ...whereOf(values),
      framing,
      onChildEnd: (pid, how) => print(safe(`process ${pid ?? "?"} has ended: ${how}`)),
    });
    return serve(running, print);
  },
};

async function serve(running: Relay, print: (text: string) => void): Promise<number> {
  print(safe(`listening at ${running.path}`));
  await askedToEnd();
  await running.close();
  return 0;
}

function addressOf(given: string): SocketAddress {
  if (given.includes("/")) return { path: given };
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(given) ?? [];
  if (host === undefined || !(Number(port) > 0 && Number(port) < 65_536))
    throw new UsageError(`--to must be a path with a /, or HOST:PORT; it is "${given}"`);
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
}

function pathOf(given: string): string {
  if (!given.includes("/"))
    throw new UsageError(
      `--from must be a path with a /, because a port is open to all users of a machine; it is "${given}"`,
    );
  return given;
}

function framingOf(values: Values): Framing {
  const given = text(values, "framing") ?? "lines";
  const framing = FRAMINGS.find((one) => one === given);
  if (framing === undefined)
    throw new UsageError(`--framing must be ${FRAMINGS.join(", ")}; it is "${given}"`);
  return framing;
}
