import { Block } from "../../bulk/block.js";
import type { CallError } from "../../rpc/index.js";
import type { Output } from "../command.js";
import { safe } from "../format.js";

/** What is shown of a call. */
export interface Report {
  progress(value: unknown): void;
  item(value: unknown): void;
  result(value: unknown): void;
  /** Returns whether the error was shown. */
  error(error: CallError): boolean;
  /** Called when nothing more is shown. */
  end(): void;
}

/** The columns of a terminal whose width is not known. */
const WIDTH = 80;

export function reportFor(output: Output, json: boolean): Report {
  return json ? jsonReport(output) : textReport(output);
}

function jsonReport({ print }: Output): Report {
  const line = (value: object) => print(JSON.stringify(printable(value)));
  return {
    progress: (progress) => line({ progress }),
    item: (item) => line({ item }),
    result: (result) => line({ result: result ?? null }),
    error: ({ rpcCode, message, data }) => {
      line({ error: { code: rpcCode, message, data } });
      return true;
    },
    end: () => {},
  };
}

function textReport({ print, style }: Output): Report {
  const { stderr } = process;
  let shown = false;
  /** Takes the line of progress away. */
  const clear = () => {
    if (shown) stderr.write("\r\u001b[K");
    shown = false;
  };
  return {
    progress(value) {
      if (!stderr.isTTY) return;
      const text = safe(JSON.stringify(printable(value)) ?? "");
      stderr.write(`\r\u001b[K${style.dim(text.slice(0, (stderr.columns || WIDTH) - 1))}`);
      shown = true;
    },
    item(value) {
      clear();
      print(safe(JSON.stringify(printable(value)) ?? "null"));
    },
    result(value) {
      clear();
      if (value !== undefined)
        print(JSON.stringify(printable(value), null, 2).split("\n").map(safe).join("\n"));
    },
    error: () => false,
    end: clear,
  };
}

/** Returns a value that JSON can show: a block as its length. */
function printable(value: unknown): unknown {
  if (value instanceof Block) {
    const { byteLength } = value;
    value.release();
    return { block: byteLength };
  }
  if (Array.isArray(value)) return value.map(printable);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, printable(part)]));
}
