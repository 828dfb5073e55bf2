import type { MailboxesOptions } from "../mailbox/index.js";
import { text } from "./arguments.js";
import type { Option, Values } from "./command.js";
import { UsageError } from "./usage-error.js";

export const NATS: Option = {
  name: "nats",
  value: "SERVERS",
  text: "the mailboxes that lie in NATS, at HOST:PORT[,HOST:PORT]; NATS_USER, NATS_PASSWORD and NATS_TOKEN are read",
};

/** The options of mailboxes for `--nats`; undefined without it. */
export function natsOf(
  values: Values,
): Pick<MailboxesOptions, "engine" | "servers" | "connection"> | undefined {
  const servers = text(values, "nats");
  if (servers === undefined) return undefined;
  const list = servers.split(",");
  if (!list.every((server) => URL.canParse(`http://${server.replace(/^[a-z]+:\/\//, "")}`))) {
    throw new UsageError(`--nats must be HOST:PORT, or several with commas between; it is "${servers}"`);
  }
  // Secrets come by the environment: everybody on the machine sees the command line.
  const { NATS_USER: user, NATS_PASSWORD: pass, NATS_TOKEN: token } = process.env;
  const connection = { ...(user && { user }), ...(pass && { pass }), ...(token && { token }) };
  return { engine: "nats", servers: list, connection };
}
