/*
 * What became of a process's posts, for a broker that takes over. A process whose broker died before it answered posts again, under the
 * same numbers; the next broker finds in the tables that a post was stored, and answers for the former. So nothing is stored twice.
 *
 * One row a process has the outcomes of the posts that it may still ask for. Posts that follow each other mostly get positions that
 * follow each other, so they are kept as runs.
 */

/** Posts `first`, `first + 1`, … got `position`, `position + 1`, …; with `position` -1 they were refused. */
type Run = [first: number, count: number, position: number];

const REFUSED = -1;

export class Outcomes {
  #runs: Run[];

  constructor(stored: string | undefined) {
    this.#runs = stored === undefined ? [] : (JSON.parse(stored) as Run[]);
  }

  /** Returns the position that the post got, `refused`, or undefined if it is new. */
  of(number: number): number | "refused" | undefined {
    for (const [first, count, position] of this.#runs) {
      if (number >= first && number < first + count) {
        return position === REFUSED ? "refused" : position + number - first;
      }
    }
    return undefined;
  }

  add(number: number, position: number | "refused"): void {
    const value = position === "refused" ? REFUSED : position;
    const last = this.#runs.at(-1);
    const follows =
      last !== undefined &&
      number === last[0] + last[1] &&
      (value === REFUSED ? last[2] === REFUSED : last[2] !== REFUSED && value === last[2] + last[1]);
    if (follows) last[1]++;
    else this.#runs.push([number, 1, value]);
  }

  /** Forgets the posts below `number`: their answers have arrived. */
  forget(number: number): void {
    this.#runs = this.#runs.filter(([first, count]) => first + count > number);
  }

  toString(): string {
    return JSON.stringify(this.#runs);
  }
}
