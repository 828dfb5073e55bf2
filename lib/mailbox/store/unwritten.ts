import type { MessageRow, NewMessage, Standing } from "./tables.js";
import { State } from "./tables.js";

type Queues = readonly [Set<number>, Set<number>, Set<number>];

/**
 * The changes that a turn has not written yet: new messages, and positions of others to delete. A new message that is claimed is
 * written as claimed. One that is claimed and acknowledged is not written at all.
 */
export class Unwritten {
  #rows = new Map<number, MessageRow>();
  /** Positions of new messages that can be taken, by box and rank, in ascending order. */
  readonly #queues = new Map<number, Queues>();
  #removed: number[] = [];

  /** Whether there is something to write. */
  get some(): boolean {
    return this.#rows.size > 0 || this.#removed.length > 0;
  }

  /** Adds a message. Its position is greater than those before. */
  add(message: NewMessage, due: number | null, attempts: number): void {
    const { position, box, rank } = message;
    const none = { attempts, due, token: null, holder: null, reason: null };
    const state = due === null ? State.QUEUED : State.DELAYED;
    this.#rows.set(position, { ...message, ...none, state });
    if (due !== null) return;
    let queues = this.#queues.get(box);
    if (queues === undefined) {
      queues = [new Set(), new Set(), new Set()];
      this.#queues.set(box, queues);
    }
    queues[rank]!.add(position);
  }

  /** How many of the box can be taken. */
  queued(box: number): number {
    const queues = this.#queues.get(box);
    return queues === undefined ? 0 : queues[0].size + queues[1].size + queues[2].size;
  }

  /** Up to `most` that can be taken, in the order in which they are; with `rank`, of this one only. */
  first(box: number, most: number, rank: number | undefined): MessageRow[] {
    const found: MessageRow[] = [];
    for (const [at, queue] of (this.#queues.get(box) ?? []).entries()) {
      if (rank !== undefined && rank !== at) continue;
      for (const position of queue) {
        if (found.length >= most) return found;
        found.push(this.#rows.get(position)!);
      }
    }
    return found;
  }

  /** Notes that a new message was claimed or given up. Returns false if it is not here, or goes back into a queue: then it is to be written. */
  stand(position: number, standing: Standing): boolean {
    const row = this.#rows.get(position);
    if (row === undefined || standing.state === State.QUEUED || standing.state === State.DELAYED)
      return false;
    this.#unqueue(row);
    this.#rows.set(position, { ...row, ...standing });
    return true;
  }

  /** Notes that a message is to be deleted. */
  remove(position: number): void {
    const row = this.#rows.get(position);
    if (row === undefined) {
      this.#removed.push(position);
      return;
    }
    this.#unqueue(row);
    this.#rows.delete(position);
  }

  /** Returns what is to be written, and forgets it. */
  take(): { readonly rows: readonly MessageRow[]; readonly removed: readonly number[] } {
    const taken = { rows: [...this.#rows.values()], removed: this.#removed };
    this.#rows = new Map();
    this.#queues.clear();
    this.#removed = [];
    return taken;
  }

  #unqueue({ box, rank, position }: MessageRow): void {
    this.#queues.get(box)?.[rank as 0 | 1 | 2]?.delete(position);
  }
}
