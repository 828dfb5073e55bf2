/**
 * What the parts of the benchmark agree upon.
 *
 * A contender is one way of doing a thing, in a file of its own under contenders/. It is started once per suite; its
 * rounds are interleaved with those of the other contenders of the suite, so that a disturbance meets all of them.
 *
 * @typedef {Record<string, number>} Figures
 *   What one round measured. The names carry the meaning, the same in every contender:
 *   `ns` (per round trip, or per message of a stream), `p1` … `p99.99` and `max` (ns), `perSecond` (messages), `bytesPerSecond`,
 *   `cpuMs` (CPU time per 10 s), `seconds` (how long it was measured).
 *
 * @typedef {object} Setting  What is the same for the whole run.
 * @property {[number, number] | undefined} cores  The two cores that everything runs on; undefined: not pinned.
 * @property {number} seconds  How long a round is to take.
 * @property {number} rounds  Rounds of each contender.
 * @property {boolean} quick  Rough figures in a short time.
 * @property {string} directory  A private directory for sockets, removed after the run.
 *
 * @typedef {object} Running  A contender that was started.
 * @property {() => Promise<void>} warmUp  Until the code is compiled and the size of a round is known.
 * @property {() => Promise<Figures>} round
 * @property {() => Promise<void>} stop
 * @property {() => Record<string, number>} [constants]  What was fixed by the warm-up, for the record.
 *
 * @typedef {object} Contender
 * @property {string} name  Unique, for the JSON.
 * @property {string} [peer]  What `--peers` calls it: the mechanism, which may be measured under several workloads.
 * @property {Record<string, string | number>} [facts]  What sets it apart from others of the same peer, for the record and the charts:
 *   `kind` (echo, paced, flood, …), `payload` (bytes, object), `bytes` (of a message), `rate` (messages a second).
 * @property {readonly string[]} [packages]  npm packages that it needs: their versions go into the record.
 * @property {string} title  As it stands in the table.
 * @property {boolean} [compiles]  It needs a compiler.
 * @property {boolean} [thorough]  For those who want to know more than the verdicts: --quick leaves it out.
 * @property {number} [rounds]  Where one long round says more than several.
 * @property {number} [patience]  How long each step (start, warm-up, a round) may take before it counts as hung, s. Default: 30.
 * @property {(setting: Setting) => Promise<Running>} start  Throws {@link Unavailable} where it can't be had.
 *
 * @typedef {object} Column
 * @property {string} title
 * @property {string} figure  Name of the figure.
 * @property {(value: number) => string} format
 * @property {boolean} [spread]  Whether to show how far the rounds lie from their median.
 *
 * @typedef {object} Matrix  The table of a suite whose contenders differ in two ways: a row for each peer, one figure in the cells.
 * @property {"title" | "peer"} rows  What the contenders of a row share.
 * @property {string} columns  Name of the fact that sets those of a row apart, such as `bytes`.
 * @property {string} figure
 * @property {(value: number, medians: Figures) => string} format  Gets the other figures, too.
 * @property {(value: any) => string} [columnTitle]  From the fact's value.
 *
 * @typedef {object} Target  A promise to be kept.
 * @property {string} name
 * @property {string[]} needs  The contenders whose figures it compares.
 * @property {(figure: (contender: string, figure: string) => number) => number} value  From medians over the rounds.
 * @property {number} limit
 * @property {"lower" | "higher"} better
 * @property {(value: number) => string} format
 *
 * @typedef {object} Suite
 * @property {string} name
 * @property {string} [group]  Suites that can be asked for together. Default: its name.
 * @property {string} title
 * @property {string[]} [notes]  What one must know to read the table.
 * @property {Contender[]} contenders
 * @property {Column[]} columns
 * @property {Matrix} [matrix]  Prints this instead of the columns. The contenders of one column are measured together, one column after
 *   the other: a hundred that run at the same time would be in each other's way.
 * @property {Target[]} targets
 *
 * @typedef {object} Choice  What a suite may depend on.
 * @property {number[] | undefined} sizes  Those of `--sizes`, ascending, in bytes.
 * @property {boolean} quick
 */

/** The contender can't be had here; the message says why and what to do. */
export class Unavailable extends Error {
  name = "Unavailable";
}
