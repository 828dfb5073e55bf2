import { mailboxes } from "../../mailbox/index.js";
import { isOn, parseLine } from "../arguments.js";
import { COMMON, type Command, JSON_OPTION, type Option } from "../command.js";
import { nearest } from "../nearest.js";
import { UsageError } from "../usage-error.js";
import { ACTIONS, type Action } from "./actions.js";
import { mailboxesOf, WHICH } from "./where.js";

/** Options of all actions. */
const PLACE: readonly Option[] = [...WHICH, JSON_OPTION];
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
    if (values.nats !== undefined && operands.length === 0 && action.pages) {
      throw new UsageError(`mail ${name} needs a BOX with --nats: there, each box counts its own positions`);
    }
    const opened = await mailboxes(mailboxesOf(values));
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
