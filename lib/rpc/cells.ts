import type { Cells } from "../port.js";

/** Ids are 32 bits in a cell. A cell that nobody has set is 0, which is the id of no call. */
const IDS = 2 ** 32;

/**
 * Cancels by cells: a cancel is in force at once, even while the handler computes and its event loop does not run.
 *
 * A caller that numbers its calls 1, 2, 3 and so on writes the id of the call that it cancels into the cell `id % cells`, and the handler
 * looks whether the id of its own call stands there. The id is the generation of the cell: a late cancel hits no later call. Where two
 * calls of one cell are cancelled, the second hides the first. So the message that cancels is sent all the same.
 *
 * A caller that writes into its cells whatever it likes cancels its own calls, and no others: each connection has cells of its own.
 */
export class CancelCells {
  readonly #cells: Cells;
  readonly #count: number;

  constructor(cells: Cells) {
    this.#cells = cells;
    this.#count = cells.length;
  }

  /** Cancels a call of this side. */
  cancel(id: number): void {
    if (isCounted(id)) this.#cells.set(id % this.#count, id);
  }

  /** Whether the peer has cancelled its call. One read of memory. Ids that are no such numbers have no cell. */
  isCancelled(id: unknown): boolean {
    return isCounted(id) && this.#cells.get(id % this.#count) === id;
  }
}

function isCounted(id: unknown): id is number {
  return Number.isInteger(id) && (id as number) > 0 && (id as number) < IDS;
}

/** Returns the cells of a port for cancels; undefined if its two sides have no memory in common. */
export function cancelCellsOf(port: { readonly cells?: Cells | undefined }): CancelCells | undefined {
  const { cells } = port;
  return cells === undefined ? undefined : new CancelCells(cells);
}
