import { inspect } from "node:util";
import { isOn, ownArguments, parseOperands, parseOptions } from "./arguments.js";
import { audit } from "./audit/command.js";
import { bench } from "./bench/command.js";
import { buildAddon } from "./build-addon/command.js";
import { call } from "./call/command.js";
import { COMMON, type Command, type Output } from "./command.js";
import { doctor } from "./doctor/command.js";
import { safe } from "./format.js";
import { gc } from "./gc/command.js";
import { commandHelp, programHelp } from "./help.js";
import { ls } from "./ls/command.js";
import { mail } from "./mail/command.js";
import { mcp } from "./mcp/command.js";
import { nearest } from "./nearest.js";
import { packageVersion } from "./package.js";
import { record } from "./record/command.js";
import { relay } from "./relay/command.js";
import { replay } from "./replay/command.js";
import { serve } from "./serve/command.js";
import { tap } from "./tap/command.js";
import { top } from "./top/command.js";
import { UsageError } from "./usage-error.js";

/** The commands, in the order in which the help shows them. */
const COMMANDS: readonly Command[] = [
  ls,
  top,
  tap,
  record,
  replay,
  doctor,
  gc,
  call,
  serve,
  relay,
  mail,
  mcp,
  audit,
  buildAddon,
  bench,
];

/** The exit codes besides 0. */
const FAILED = 1;
const MISUSED = 2;

/** Runs a command line (without node and the script). Resolves with the exit code. `complain` writes to standard error. */
export async function runProgram(
  args: readonly string[],
  output: Output,
  complain: (text: string) => void,
): Promise<number> {
  // `verbose` is read first, so that it works even for the errors of the command line itself.
  const verbose =
    ownArguments(args).includes("--verbose") || /\bringbell\b/i.test(process.env.NODE_DEBUG ?? "");
  try {
    return await dispatch(args, output, complain);
  } catch (error) {
    complain(`ringbell: ${verbose ? inspect(error) : oneLine(error)}`);
    return error instanceof UsageError ? MISUSED : FAILED;
  }
}

async function dispatch(
  args: readonly string[],
  output: Output,
  complain: (text: string) => void,
): Promise<number> {
  const at = args.findIndex((arg) => !arg.startsWith("-"));
  const before = at === -1 ? args : args.slice(0, at);
  const general = parseOptions(before, [{ name: "version", text: "" }, ...COMMON], "ringbell");
  if (isOn(general, "version")) {
    output.print(packageVersion());
    return 0;
  }
  const help = isOn(general, "help");
  if (at === -1) {
    if (help) output.print(programHelp(COMMANDS, output.style));
    else complain(programHelp(COMMANDS, output.style));
    return help ? 0 : MISUSED;
  }
  if (args[at] === "help") return explain(args.slice(at + 1), output);
  const command = find(args[at]!);
  // `--help` works beside invalid options, because a user who got those wrong needs it most.
  const rest = args.slice(at + 1);
  const own = "forward" in command ? rest : ownArguments(rest);
  if (help || own.includes("--help") || own.includes("-h")) {
    output.print(commandHelp(command, output.style));
    return 0;
  }
  if ("forward" in command) return command.forward(rest);
  if ("begin" in command) return command.begin(parseOperands(rest, [...command.options, ...COMMON]), output);
  if ("parse" in command) return command.parse(rest, output);
  return command.run(parseOptions(rest, [...command.options, ...COMMON], command.name), output);
}

function explain([name]: readonly string[], output: Output): number {
  output.print(
    name === undefined ? programHelp(COMMANDS, output.style) : commandHelp(find(name), output.style),
  );
  return 0;
}

function find(name: string): Command {
  const command = COMMANDS.find((one) => one.name === name);
  if (command !== undefined) return command;
  const names = COMMANDS.map((one) => one.name);
  const near = nearest(name, names);
  const hint = near === undefined ? `the commands are ${names.join(", ")}` : `did you mean ${near}?`;
  throw new UsageError(`unknown command "${name}"; ${hint}`);
}

/** Returns the message of an error, with its code, in one line. */
export function oneLine(error: unknown): string {
  if (!(error instanceof Error)) return safe(String(error));
  const { code } = error as NodeJS.ErrnoException;
  const message = safe(
    error.message
      .split("\n")
      .map((line) => line.trim())
      .join(" "),
  );
  return typeof code === "string" && !message.includes(code) ? `${message} (${code})` : message;
}
