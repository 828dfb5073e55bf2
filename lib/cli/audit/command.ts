import { type AuditSummary, verifyAudit } from "../../session/audit-record.js";
import { AuditError } from "../../session/errors.js";
import { isOn, parseOptions, text } from "../arguments.js";
import { COMMON, type Command, JSON_OPTION, type Option } from "../command.js";
import { plural, safe } from "../format.js";
import { UsageError } from "../usage-error.js";

const OPTIONS: readonly Option[] = [
  { name: "head", value: "HASH", text: "a hash that was noted earlier, which must stand in the chain" },
  JSON_OPTION,
];

/** `ringbell audit verify FILE` checks an audit chain. */
export const audit: Command = {
  name: "audit",
  operands: "verify FILE",
  summary: "check that nobody changed the audit chain of a session",
  text: [
    "Reads the chain from its beginning. Each record must have the hash of the one before it, and a hash that is that of " +
      "its content. Prints the number of records and the hash of the last one. Note that hash elsewhere: given as --head, it " +
      "shows later whether records were cut off the end.",
    "Exit code 1 if the chain is broken; the line of the first record that is wrong is named.",
  ],
  options: OPTIONS,
  async forward(args) {
    const operands = operandsOf(args);
    const values = parseOptions(operands.rest, [...OPTIONS, ...COMMON], "audit verify");
    const result = await verify(operands.file, text(values, "head"));
    const print = (line: string) => void process.stdout.write(`${line}\n`);
    if (isOn(values, "json")) print(JSON.stringify(result, null, 2));
    else if (result.whole) {
      print(`${safe(operands.file)} is whole: ${plural(result.records, "record")}${span(result)}.`);
      print(`The last one has the hash ${result.head}.`);
    } else print(safe(result.message));
    return result.whole ? 0 : 1;
  },
};

type Result =
  | ({ readonly whole: true } & AuditSummary)
  | { readonly whole: false; readonly line: number | null; readonly message: string };

async function verify(file: string, head: string | undefined): Promise<Result> {
  try {
    return { whole: true, ...(await verifyAudit(file, { head })) };
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    return { whole: false, line: error.line ?? null, message: error.message };
  }
}

/** The first two words that are no options, and all else. */
function operandsOf(args: readonly string[]): { readonly file: string; readonly rest: readonly string[] } {
  const [what, file, ...rest] = args;
  if (what !== "verify" || file === undefined || file.startsWith("-")) {
    throw new UsageError("audit needs what to do and with which file: ringbell audit verify FILE");
  }
  return { file, rest };
}

function span({ first, last }: AuditSummary): string {
  return first === undefined ? "" : `, from ${first} to ${last}`;
}
