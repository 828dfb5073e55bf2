import { resolve } from "node:path";
import type { MailboxesOptions } from "../../mailbox/index.js";
import { text } from "../arguments.js";
import { DIRECTORY, NAMESPACE, type Option, type Values } from "../command.js";
import { NATS, natsOf } from "../nats.js";
import { UsageError } from "../usage-error.js";

const NAME: Option = { name: "name", value: "NAME", text: "the mailboxes of this name (default: mailbox)" };
const FILE: Option = {
  name: "path",
  value: "FILE",
  text: "the file of the store, where it is not the usual one",
};

/** The options that say which mailboxes are meant. */
export const WHICH: readonly Option[] = [NAME, NAMESPACE, DIRECTORY, FILE, NATS];

/** The options of the library for the mailboxes that the command line means. */
export function mailboxesOf(values: Values): MailboxesOptions {
  const [name, namespace] = [text(values, "name"), text(values, "namespace")];
  const [directory, path] = [text(values, "directory"), text(values, "path")];
  const nats = natsOf(values);
  if (nats === undefined) {
    // Paths on the command line are relative to the working directory.
    return { name, namespace, directory: directory && resolve(directory), path: path && resolve(path) };
  }
  if (directory !== undefined || path !== undefined) {
    throw new UsageError("--nats goes with neither --directory nor --path: there the messages lie in NATS");
  }
  return { name, namespace, ...nats };
}
