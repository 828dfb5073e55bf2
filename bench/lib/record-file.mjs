import { closeSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "./options.mjs";

/** Where records go that nobody gave a name to. */
const RESULTS = fileURLToPath(new URL("../results/", import.meta.url));

/** The file that a run's record goes to. Opened before anything is measured: what can't be written should not take half an hour to say so. */
export class RecordFile {
  /** @type {string} */
  path;
  #part;

  /**
   * @param {Pick<ReturnType<typeof import("./options.mjs").parseOptions>, "json" | "bare" | "names" | "quick">} options
   * @returns {RecordFile | undefined}  Undefined where no name was given and the figures are for the terminal only.
   */
  static open({ json, bare, names, quick }) {
    if (json !== undefined) return new RecordFile(json);
    if (bare) return undefined;
    mkdirSync(RESULTS, { recursive: true });
    return new RecordFile(
      join(
        RESULTS,
        `${[...(names.length === 0 ? ["all"] : names), ...(quick ? ["quick"] : [])].join("-")}.json`,
      ),
    );
  }

  /** @param {string} path */
  constructor(path) {
    this.path = path;
    this.#part = `${path}.${process.pid}.part`;
    try {
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new Error("is a directory");
      closeSync(openSync(this.#part, "wx"));
    } catch (error) {
      throw new UsageError(`can't write to ${path}: ${/** @type {Error} */ (error).message}`);
    }
    process.on("exit", () => rmSync(this.#part, { force: true }));
  }

  /** @param {object} record */
  write(record) {
    writeFileSync(this.#part, `${JSON.stringify(record, null, 2)}\n`);
    renameSync(this.#part, this.path);
  }
}
