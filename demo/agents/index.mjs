import { compress } from "./compress.mjs";
import { duplicates } from "./duplicates.mjs";
import { hash } from "./hash.mjs";
import { symbols } from "./symbols.mjs";
import { words } from "./words.mjs";

/**
 * A kind of work.
 *
 * @typedef {object} Kind
 * @property {string} name also that of its endpoint, and the role of its agents
 * @property {import("../../dist/index.js").Codec<any, any>} result codec of its results
 * @property {boolean} [stateful] whether a result depends on the tasks done before
 * @property {() => Work} start begins with nothing remembered
 * @property {(values: any[]) => string} summary one line about all values together
 *
 * @typedef {(task: { id: number, path: string }, content: Buffer) => unknown} Work the content is there during the call only
 *
 * @typedef {object} Result
 * @property {number} id of the task
 * @property {number} bytes of the file
 * @property {number} micros spent working
 * @property {string | undefined} [skipped] why the file was skipped, if it was
 * @property {any} [value] what was found, unless it was skipped
 */

/** @type {readonly Kind[]} */
export const kinds = [hash, words, symbols, compress, duplicates];
