import { COMMON, type Command, type Option } from "./command.js";
import type { Style } from "./style.js";
import { table, wrap } from "./table.js";

/** The columns of the terminal for which help is laid out. */
const WIDTH = 80;

export function programHelp(commands: readonly Command[], style: Style): string {
  const rows = commands.map(({ name, summary }) => [name, summary]);
  return [
    "Usage: ringbell <command> [options]",
    "",
    style.strong("Commands"),
    ...table([{ title: "" }, { title: "" }], rows, { indent: 2 }),
    "",
    style.strong("Options"),
    ...optionLines([{ name: "version", text: "show the version" }, ...COMMON]),
    "",
    "ringbell <command> --help says more.",
    "NODE_DEBUG=ringbell traces what the library does.",
  ].join("\n");
}

export function commandHelp(command: Command, style: Style): string {
  const forwards = "forward" in command;
  const options = [...command.options, ...(forwards ? COMMON.filter(({ name }) => name === "help") : COMMON)];
  return [
    `Usage: ringbell ${command.name} ${command.operands === undefined ? "" : `${command.operands} `}[options]`,
    "",
    ...command.text.flatMap((paragraph) => wrap(paragraph, WIDTH)),
    "",
    style.strong("Options"),
    ...optionLines(options),
  ].join("\n");
}

function optionLines(options: readonly Option[]): string[] {
  const heads = options.map(
    ({ name, short, value }) =>
      `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`,
  );
  const width = Math.max(...heads.map((head) => head.length));
  return options.flatMap(({ text }, i) =>
    wrap(text, WIDTH - width - 4).map(
      (line, at) => `  ${(at === 0 ? heads[i]! : "").padEnd(width)}  ${line}`,
    ),
  );
}
