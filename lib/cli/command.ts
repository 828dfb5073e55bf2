import type { Style } from "./style.js";

/** The output of a command. */
export interface Output {
  /** Writes lines to standard output. */
  print(text: string): void;
  readonly style: Style;
  /** The columns of the terminal. Undefined if the output is not a terminal; then no line is cut. */
  readonly width: number | undefined;
}

/** An option of a command, always with a long name. */
export interface Option {
  readonly name: string;
  readonly short?: string;
  /** The placeholder of its value, such as `NAME`; without one it is a switch. */
  readonly value?: string;
  readonly text: string;
}

/** The values of options by name: a text, or true for a switch. */
export type Values = Readonly<Record<string, string | true | undefined>>;

interface CommandHelp {
  readonly name: string;
  /** What it takes besides options, such as `[name …]`; nothing without it. */
  readonly operands?: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The paragraphs below the usage in the command's own help. */
  readonly text: readonly string[];
  readonly options: readonly Option[];
}

interface OwnCommand extends CommandHelp {
  /** Runs the command. Resolves with the exit code. */
  run(values: Values, output: Output): Promise<number>;
}

interface ForwardingCommand extends CommandHelp {
  /** Hands all arguments on to another program, which reads them itself. Resolves with its exit code. */
  forward(args: readonly string[]): Promise<number>;
}

/** What stands on the command line besides options. */
export interface Operands {
  readonly values: Values;
  readonly operands: readonly string[];
  /** The program behind `--`, and its arguments; undefined without `--`. */
  readonly command: readonly string[] | undefined;
}

interface OperandCommand extends CommandHelp {
  /** Runs a command that takes more than options. Resolves with the exit code. */
  begin(args: Operands, output: Output): Promise<number>;
}

export type Command = OwnCommand | OperandCommand | ForwardingCommand;

export const NAMESPACE: Option = {
  name: "namespace",
  short: "n",
  value: "NAME",
  text: "this namespace (default: RINGBELL_NAMESPACE, else default)",
};
export const ALL: Option = { name: "all", short: "a", text: "all namespaces of the directory" };
export const DIRECTORY: Option = {
  name: "directory",
  short: "d",
  value: "PATH",
  text: "where the namespaces lie (default: RINGBELL_DIRECTORY, else the private directory of this user)",
};
export const JSON_OPTION: Option = { name: "json", text: "print JSON" };

/** The options of every command. */
export const COMMON: readonly Option[] = [
  { name: "verbose", text: "show the stack trace of an error" },
  { name: "help", short: "h", text: "show this help" },
];
