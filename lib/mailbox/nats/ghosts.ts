import type { Link } from "./link.js";
import { consumerOf, type Names } from "./names.js";
import type { Streams } from "./streams.js";

const ACK = "+ACK";

/**
 * Deliveries under way whose message is not there any more. They are there after a server was killed that had deleted a message, and had not yet
 * written down that its consumer is done with it. A server of 2.9 wants to deliver each again when `ack_wait` is over, finds nothing, and then does
 * nothing until somebody asks it anew, and the same after the next `ack_wait`. So a few hundred of them keep all that lies behind them from being
 * delivered. Here the server is told that they are done with.
 */
export class Ghosts {
  readonly #link: Link;
  readonly #names: Names;
  readonly #streams: Streams;

  constructor(link: Link, names: Names, streams: Streams) {
    this.#link = link;
    this.#names = names;
    this.#streams = streams;
  }

  /** Ends the deliveries of all messages of a rank that were deleted. Resolves with their number. */
  async end(box: string, rank: number): Promise<number> {
    const consumer = await this.#streams.consumer(box, rank);
    if (consumer === undefined || consumer.num_ack_pending === 0) return 0;
    const { ack_floor: floor, delivered } = consumer;
    const deleted = await this.#streams.deleted(box);
    const ghosts = deleted.filter((one) => one > floor.stream_seq && one <= delivered.stream_seq);
    // As the subjects of deliveries (see pulledOf); of their numbers the server looks at the position alone.
    const subjects = ghosts.map(
      (one) => `$JS.ACK.${this.#names.stream(box)}.${consumerOf(rank)}.1.${one}.0.0.0`,
    );
    const last = subjects.pop();
    for (const subject of subjects) this.#link.nats.publish(subject, ACK);
    // The server takes them in turn, so its answer to the last one says that it has taken all.
    if (last !== undefined) await this.#link.call(() => this.#link.request(last, ACK));
    return ghosts.length;
  }
}
