import type { Link } from "./link.js";
import { consumerOf, type Names } from "./names.js";
import type { Streams } from "./streams.js";

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

  /** Ends the deliveries of all messages of a rank that were deleted. */
  async end(box: string, rank: number): Promise<void> {
    const consumer = await this.#streams.consumer(box, rank);
    if (consumer === undefined || consumer.num_ack_pending === 0) return;
    const { ack_floor: floor, delivered } = consumer;
    const name = `${this.#names.stream(box)}.${consumerOf(rank)}`;
    for (const position of await this.#streams.deleted(box)) {
      if (position <= floor.stream_seq || position > delivered.stream_seq) continue;
      // As the subject of a delivery (see pulledOf); of its numbers the server looks at the position alone.
      this.#link.nats.publish(`$JS.ACK.${name}.1.${position}.0.0.0`, "+ACK");
    }
  }
}
