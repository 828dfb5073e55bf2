import { shareMcp } from "../../mcp/index.js";
import { joinMcp } from "../../mcp/reconnect/stdio.js";
import { isOn } from "../arguments.js";
import { type Command, DIRECTORY, NAMESPACE, type Operands, type Output } from "../command.js";
import { safe } from "../format.js";
import { connecting, joinStandardStreams, milliseconds, WAIT } from "../joining.js";
import { askedToEnd } from "../signals.js";
import { UsageError } from "../usage-error.js";
import { whereOf } from "../where.js";
import { MAILBOX_OPTIONS, serveMailboxes } from "./mailbox.js";

const USAGE = "mcp connect NAME, mcp share NAME -- COMMAND …, or mcp mailbox";

/** `ringbell mcp` brings unmodified MCP clients and servers together. */
export const mcp: Command = {
  name: "mcp",
  operands: "connect NAME | share NAME -- COMMAND … | mailbox",
  summary: "MCP: join clients to a name, share a server, serve mailboxes",
  text: [
    "mcp connect NAME: the command of a server for an unmodified client, which speaks by standard streams. It is joined to the server " +
      "that listens under the name.",
    "mcp share NAME -- COMMAND …: runs one unmodified server, which speaks by standard streams, for all clients that connect to the name. " +
      "It starts with the first, and ends some time after the last.",
    "mcp mailbox: a server whose tool ipc posts to mailboxes and takes from them.",
  ],
  options: [
    NAMESPACE,
    DIRECTORY,
    WAIT,
    {
      name: "reconnect",
      short: "r",
      text: "connect: go on when the server is started anew, for up to a minute",
    },
    {
      name: "linger",
      short: "l",
      value: "MS",
      text: "share: how long the server runs on without a client (default: 60000)",
    },
    {
      name: "turns",
      text: "share: clients that the server may ask for something call in turns from the start",
    },
    ...MAILBOX_OPTIONS,
  ],
  async begin(args, output) {
    const [what, name, ...more] = args.operands;
    if (what === "mailbox") {
      if (name !== undefined || args.command !== undefined)
        throw new UsageError("mcp mailbox takes no more words");
      return serveMailboxes(args.values, output);
    }
    if (name === undefined || more.length > 0) throw new UsageError(`mcp takes two words: ${USAGE}`);
    if (what === "connect") {
      if (args.command !== undefined) throw new UsageError("mcp connect takes no command");
      if (!isOn(args.values, "reconnect")) return joinStandardStreams(name, args.values, "lines");
      await joinMcp(name, { readable: process.stdin, writable: process.stdout }, connecting(args.values));
      return 0;
    }
    if (what === "share") return share(name, args, output);
    throw new UsageError(`unknown word "${what}"; expected ${USAGE}`);
  },
};

async function share(name: string, { values, command = [] }: Operands, { print }: Output): Promise<number> {
  if (command.length === 0) throw new UsageError("mcp share needs a command: mcp share NAME -- COMMAND …");
  const shared = await shareMcp(name, command, {
    ...whereOf(values),
    linger: milliseconds(values, "linger", 60_000),
    turns: isOn(values, "turns"),
  });
  shared.on("start", (pid) => print(`server started: process ${pid ?? "?"}`));
  shared.on("end", (pid, how) => print(safe(`server ended: process ${pid ?? "?"}, ${how}`)));
  print(safe(`listening at ${shared.path}`));
  await askedToEnd();
  await shared.close();
  return 0;
}
