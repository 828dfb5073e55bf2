import { resolve } from "node:path";
import { type Mailboxes, mailboxes } from "../../mailbox/index.js";
import { isOn, parseLine, text } from "../arguments.js";
import {
  COMMON,
  type Command,
  DIRECTORY,
  JSON_OPTION,
  NAMESPACE,
  type Option,
  type Values,
} from "../command.js";
import { nearest } from "../nearest.js";
import { UsageError } from "../usage-error.js";
import { ACTIONS, type Action } from "./actions.js";

const NAME: Option = { name: "name", value: "NAME", text: "the mailboxes of this name (default: mailbox)" };
const FILE: Option = {
  name: "path",
  value: "FILE",
  text: "the file of the store, where it is not the usual one",
};

/** Options of all actions. */
const PLACE: readonly Option[] = [NAME, NAMESPACE, DIRECTORY, FILE, JSON_OPTION];
const names = Object.keys(ACTIONS);
const all = [...PLACE, ...Object.values(ACTIONS).flatMap(({ options }) => options)];

/** `ringbell mail` looks at mailboxes, posts to them and takes from them. */
export const mail: Command = {
  name: "mail",
  operands: `${names.join("|")} [BOX]`,
  summary: "look at mailboxes, post to them, take from them",
  text: [
    ...Object.entries(ACTIONS).map(
      ([name, { operands, summary }]) => `${[name, ...operands].join(" ")}: ${summary}`,
    ),
    "It joins the broker that runs. If none does, it is the broker itself for as long as it takes.",
  ],
  options: [...new Map(all.map((option) => [option.name, option])).values()],
  async parse([name, ...rest], output) {
    const action = find(name);
    const known = [...PLACE, ...action.options, ...COMMON];
    const { values, operands } = parseLine(rest, known, `mail ${name}`, action.operands);
    const opened = await open(values);
    try {
      return await action.run({ mail: opened, values, operands, output, json: isOn(values, "json") });
    } finally {
      await opened.close();
    }
  },
};

function find(name: string | undefined): Action {
  if (name !== undefined && Object.hasOwn(ACTIONS, name)) return ACTIONS[name]!;
  if (name === undefined) throw new UsageError(`mail needs one of ${names.join(", ")}`);
  const near = nearest(name, names);
  const hint = near === undefined ? `it takes ${names.join(", ")}` : `did you mean ${near}?`;
  throw new UsageError(`mail has no "${name}"; ${hint}`);
}

function open(values: Values): Promise<Mailboxes> {
  const [directory, path] = [text(values, "directory"), text(values, "path")];
  return mailboxes({
    name: text(values, "name"),
    namespace: text(values, "namespace"),
    // Paths on the command line are relative to the working directory.
    directory: directory && resolve(directory),
    path: path && resolve(path),
  });
}
