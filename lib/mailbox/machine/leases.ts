/** A message that somebody has taken. */
export interface Lease {
  readonly position: number;
  readonly box: number;
  /** The number of the delivery. A late acknowledgement of an earlier one has another. */
  readonly token: number;
  readonly holder: string;
  /** When the lease ends, by the broker's steady time. */
  until: number;
  /** As the row has it, so that settling it need not read the row. */
  readonly attempts: number;
  readonly bytes: number;
  readonly content: number | null;
}

/** Who has taken what, in the broker's memory. The table has the same, for the next broker. */
export class Leases {
  readonly #byPosition = new Map<number, Lease>();
  readonly #byHolder = new Map<string, Set<Lease>>();

  get size(): number {
    return this.#byPosition.size;
  }

  add(lease: Lease): void {
    this.#byPosition.set(lease.position, lease);
    const held = this.#byHolder.get(lease.holder);
    if (held === undefined) this.#byHolder.set(lease.holder, new Set([lease]));
    else held.add(lease);
  }

  get(position: number): Lease | undefined {
    return this.#byPosition.get(position);
  }

  delete(lease: Lease): void {
    this.#byPosition.delete(lease.position);
    const held = this.#byHolder.get(lease.holder);
    held?.delete(lease);
    if (held?.size === 0) this.#byHolder.delete(lease.holder);
  }

  heldBy(holder: string): readonly Lease[] {
    return [...(this.#byHolder.get(holder) ?? [])];
  }

  holders(): string[] {
    return [...this.#byHolder.keys()];
  }

  ended(now: number): Lease[] {
    return [...this.#byPosition.values()].filter(({ until }) => until <= now);
  }

  /** When the next lease ends. */
  next(): number | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const { until } of this.#byPosition.values()) if (until < next) next = until;
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  clear(): void {
    this.#byPosition.clear();
    this.#byHolder.clear();
  }
}
