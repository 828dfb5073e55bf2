/**
 * Lets one party at a time begin something, as often as it likes. Parties that wait have their turn in the order of their first request,
 * and no party begins anew while another waits.
 */
export class Turns<Party> {
  /** How much of each party is under way. */
  readonly #running = new Map<Party, number>();
  #queue: { readonly party: Party; readonly begin: () => void }[] = [];

  /** Calls `begin` when it is the party's turn, perhaps at once, or at once out of turn. The party says `done` when that has ended. */
  enter(party: Party, begin: () => void, outOfTurn: boolean): void {
    if (outOfTurn || (this.#queue.length === 0 && this.#isAlone(party))) this.#start(party, begin);
    else this.#queue.push({ party, begin });
  }

  /** Tells that something of the party has ended that had begun. */
  done(party: Party): void {
    const left = (this.#running.get(party) ?? 0) - 1;
    if (left > 0) this.#running.set(party, left);
    else this.#running.delete(party);
    this.#next();
  }

  /** Takes back what has not begun. */
  remove(begin: () => void): void {
    this.#queue = this.#queue.filter((entry) => entry.begin !== begin);
    this.#next();
  }

  #next(): void {
    const party = this.#queue[0]?.party;
    if (party === undefined || !this.#isAlone(party)) return;
    const batch = this.#queue.filter((entry) => entry.party === party);
    this.#queue = this.#queue.filter((entry) => entry.party !== party);
    for (const { begin } of batch) this.#start(party, begin);
  }

  #isAlone(party: Party): boolean {
    return this.#running.size === 0 || (this.#running.size === 1 && this.#running.has(party));
  }

  #start(party: Party, begin: () => void): void {
    this.#running.set(party, (this.#running.get(party) ?? 0) + 1);
    begin();
  }
}
