import { parseArgs } from "node:util";
import type { Operands, Option, Values } from "./command.js";
import { nearest } from "./nearest.js";
import { UsageError } from "./usage-error.js";

/** The word behind which another program and its arguments stand. */
const END_OF_OPTIONS = "--";

/** Returns the arguments that are ours: those before `--`. */
export function ownArguments(args: readonly string[]): readonly string[] {
  const end = args.indexOf(END_OF_OPTIONS);
  return end < 0 ? args : args.slice(0, end);
}

/** Reads operands and options, in any order, and the command behind `--`. Throws a UsageError. */
export function parseOperands(args: readonly string[], options: readonly Option[]): Operands {
  const own = ownArguments(args);
  const operands: string[] = [];
  const rest: string[] = [];
  for (let i = 0; i < own.length; i++) {
    const word = own[i]!;
    if (!word.startsWith("-")) {
      operands.push(word);
      continue;
    }
    rest.push(word);
    const takesValue = options.some(
      ({ name, short, value }) => value !== undefined && (word === `--${name}` || word === `-${short}`),
    );
    if (takesValue && i + 1 < own.length) rest.push(own[++i]!);
  }
  const command = own.length === args.length ? undefined : args.slice(own.length + 1);
  return { values: parseOptions(rest, options, ""), operands, command };
}

/** Reads the options of `command`. Throws a UsageError that names the mistake, and the option that was probably meant. */
export function parseOptions(args: readonly string[], options: readonly Option[], command: string): Values {
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: Object.fromEntries(
      options.map(({ name, short, value }) => [
        name,
        { type: value === undefined ? "boolean" : "string", ...(short === undefined ? {} : { short }) },
      ]),
    ),
  });
  const values: Record<string, string | true> = {};
  for (const token of tokens) {
    if (token.kind === "positional") {
      throw new UsageError(`${command} takes no argument; "${token.value}" is one too many`);
    }
    if (token.kind === "option-terminator") continue;
    const option = options.find(({ name }) => name === token.name);
    if (option === undefined) throw new UsageError(unknownOption(token.rawName, options));
    if (values[option.name] !== undefined) throw new UsageError(`--${option.name} is given twice`);
    if (option.value === undefined) {
      if (token.value !== undefined) throw new UsageError(`--${option.name} takes no value`);
      values[option.name] = true;
    } else {
      // A word that begins with a hyphen is more likely the next option than a value.
      if (token.value === undefined || (!token.inlineValue && token.value.startsWith("-"))) {
        throw new UsageError(`--${option.name} needs a value: --${option.name} ${option.value}`);
      }
      values[option.name] = token.value;
    }
  }
  return values;
}

function unknownOption(raw: string, options: readonly Option[]): string {
  const known = options.map(({ name }) => name);
  const near = raw.startsWith("--") ? nearest(raw.slice(2), known) : undefined;
  const hint =
    near === undefined
      ? `the options are ${known.map((name) => `--${name}`).join(", ")}`
      : `did you mean --${near}?`;
  return `unknown option ${raw}; ${hint}`;
}

/** Returns the value of an option that takes a text. */
export function text(values: Values, name: string): string | undefined {
  const value = values[name];
  return value === true ? undefined : value;
}

/** Returns whether a switch is given. */
export function isOn(values: Values, name: string): boolean {
  return values[name] !== undefined;
}
