// A part of the target codecs: tables of blocks as a peer writes them, and the books of its blocks that this side keeps, against plain books of our own.
//
// A table is refused in words, or says what stands in its bytes. A peer never hands over a slot twice, nor one that does not exist, nor more
// bytes than it has; and no more memory is mapped than was agreed.
import { type Announcement, type HeldLease, Holdings } from "../../../lib/bulk/holdings.js";
import { ArrivedTable, tabledBytes, writeTable } from "../../../lib/transport/records/handle-table.js";
import { fakeSegment } from "../../bulk/fake-memory.js";
import { OFFSET, scratchOf } from "../../codec/support.js";
import { check, type Input } from "./input.js";

const LIMIT = 1 << 16;

/** A table that is valid but for a bit or two, or any bytes. */
function tableBytes(input: Input): Uint8Array {
  if (input.below(3) === 0) return input.bytes(250);
  const scratch = scratchOf(4096);
  const payload = input.below(40);
  const handles = Array.from({ length: 1 + input.below(4) }, () => ({
    segment: input.byte(),
    slot: input.byte(),
    flags: input.below(2),
    bytes: input.below(4) === 0 ? input.number() : input.byte(),
  })).map((handle) => ({
    ...handle,
    bytes: Math.min(Math.max(0, Math.floor(handle.bytes)), Number.MAX_SAFE_INTEGER),
  }));
  const length = writeTable(scratch, OFFSET, payload, handles, handles.length);
  const bytes = Uint8Array.from(scratch.buffer.subarray(OFFSET, OFFSET + length));
  for (let flips = input.below(3); flips > 0; flips--) bytes[input.below(length)]! ^= 1 << input.below(8);
  return bytes;
}

/** Reads the table at the very end of memory, and writes again what was read. */
function readTable(bytes: Uint8Array, table: ArrivedTable): void {
  const scratch = scratchOf(OFFSET + bytes.length);
  scratch.buffer.set(bytes, OFFSET);
  const wrong = table.read({ scratch, at: OFFSET, bytes: bytes.length } as never);
  if (wrong !== undefined) {
    check(wrong.startsWith("malformed block table"), wrong);
    return;
  }
  check(
    table.count > 0 && tabledBytes(table.bytes, table.count) === bytes.length,
    "its numbers fit its length",
  );
  const again = scratchOf(OFFSET + bytes.length);
  again.buffer.set(bytes, OFFSET);
  const length = writeTable(again, OFFSET, table.bytes, table.handles, table.count);
  check(length === bytes.length, "it is written as long as it came");
  const from = OFFSET + Math.ceil(table.bytes / 8) * 8;
  check(again.buffer.subarray(from).equals(scratch.buffer.subarray(from)), "it is written as it came");
}

interface Known {
  readonly slots: number;
  readonly slotBytes: number;
  readonly bytes: number;
  readonly shared: boolean;
  readonly holders: number[];
}

/** The books of the peer's blocks, kept twice. */
class Books {
  readonly #known = new Map<number, Known>();
  readonly #leases: { readonly lease: HeldLease; readonly id: number; readonly slot: number }[] = [];
  #givenBack = 0;
  readonly #holdings = new Holdings(LIMIT, false, () => this.#givenBack++);

  announce(announcement: Announcement): void {
    const { id, slots, slotBytes, shared } = announcement;
    if (this.#holdings.refuses(announcement) !== undefined) return;
    const bytes = this.#holdings.bytesOf(announcement);
    check(
      !this.#known.has(id) && slots > 0 && bytes >= slots * slotBytes && bytes <= LIMIT,
      "what was not refused",
    );
    this.#holdings.add(announcement, fakeSegment(bytes));
    this.#known.set(id, { slots, slotBytes, bytes, shared, holders: new Array(slots).fill(0) });
  }

  take(id: number, slot: number, bytes: number): void {
    const known = this.#known.get(id);
    const may =
      known !== undefined &&
      slot < known.slots &&
      bytes <= known.slotBytes &&
      (known.shared || known.holders[slot] === 0);
    const lease = this.#holdings.take(id, slot, bytes);
    check((lease !== undefined) === may, `slot ${slot} of segment ${id}, ${bytes} bytes: ${may}`);
    if (lease === undefined) return;
    check(lease.length === bytes, "its length");
    known!.holders[slot]!++;
    this.#leases.push({ lease, id, slot });
  }

  letGo(at: number, home: boolean): void {
    if (this.#leases.length === 0) return;
    const [one] = this.#leases.splice(at % this.#leases.length, 1);
    const { lease, id, slot } = one!;
    const before = this.#givenBack;
    if (home) this.#holdings.sentHome(lease);
    else this.#holdings.release(lease);
    check(this.#givenBack === before + (home ? 0 : 1), "the peer is told");
    this.#known.get(id)!.holders[slot]!--;
  }

  retire(id: number): void {
    const known = this.#known.get(id);
    const may = known?.holders.every((count) => count === 0) ?? false;
    check(this.#holdings.retire(id) === may, `segment ${id} may be retired: ${may}`);
    if (may) this.#known.delete(id);
  }

  audit(): void {
    const mapped = [...this.#known.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    check(this.#holdings.held === this.#leases.length, "as many blocks are held");
    check(
      this.#holdings.mappedBytes === mapped && mapped <= LIMIT,
      "as much memory is mapped, and no more than agreed",
    );
  }

  end(): void {
    this.#holdings.end();
    while (this.#leases.length > 0) this.#holdings.release(this.#leases.pop()!.lease);
    check(this.#holdings.mappedBytes === 0, "all is unmapped in the end");
  }
}

/** Reads tables, and hands blocks over, as the input says. */
export function exchangeBlocks(input: Input): void {
  const table = new ArrivedTable();
  const books = new Books();
  while (input.more) {
    switch (input.below(8)) {
      case 0:
      case 1:
        readTable(tableBytes(input), table);
        // The ledger decides whether what a table says is true.
        for (const handle of table.handles.slice(0, table.count))
          books.take(handle.segment, handle.slot, handle.bytes);
        break;
      case 2:
        books.announce({
          id: input.below(8),
          slots: input.below(4) === 0 ? input.number() >>> 0 : input.below(4),
          slotBytes: input.below(3) === 0 ? Math.floor(Math.abs(input.number())) : 64 * input.below(200),
          sealed: input.below(2) === 0,
          shared: input.below(2) === 0,
        });
        break;
      case 3:
      case 4:
        books.take(
          input.below(8),
          input.below(5),
          input.below(4) === 0 ? Math.floor(Math.abs(input.number())) : input.below(200),
        );
        break;
      case 5:
        books.letGo(input.byte(), input.below(2) === 0);
        break;
      case 6:
        books.retire(input.below(8));
        break;
      default:
        books.audit();
    }
  }
  books.audit();
  books.end();
}
