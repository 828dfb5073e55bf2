import { closeSync } from "node:fs";
import { wallClock } from "../clock.js";
import { HandshakeTimeoutError, NotFoundError, TransportError } from "../errors.js";
import type { Layout } from "../native/layout.js";
import { loadBinding } from "../native/load.js";
import type { CodecIdentity } from "../transport/handshake/greetings.js";
import { askForMemory, notShown, type Shown } from "../transport/handshake/showing.js";
import { dial } from "../transport/places/dial.js";
import { type Place, resolveAddress } from "../transport/places/names.js";
import { type EndpointInfo, health } from "../transport/places/status.js";
import { listEndpoint } from "./listing.js";
import { RingReader } from "./ring-reader.js";

/** One direction of a lane of a channel that is watched. */
export interface Stream {
  /** Numbers streams from 0 on. */
  readonly index: number;
  /** The id of the channel. */
  readonly channel: string;
  readonly peer: { readonly pid: number | null; readonly role: string | null };
  readonly lane: string;
  /** `out`: from the endpoint to the peer. */
  readonly way: "out" | "in";
  readonly capacity: number;
  readonly codec: CodecIdentity;
}

export type TapEvent =
  | { readonly type: "open"; readonly stream: Stream }
  | {
      readonly type: "message";
      readonly stream: Stream;
      /** When it was found, ms since the epoch. */
      readonly time: number;
      /** How many messages went before it in this stream. */
      readonly number: number;
      readonly kind: number;
      readonly content: Buffer;
    }
  /** So many messages were overwritten before they were read. */
  | { readonly type: "missed"; readonly stream: Stream; readonly time: number; readonly count: number }
  | { readonly type: "end"; readonly stream: Stream };

export interface TapOptions extends Place {
  /** Whether to begin with the messages that are still in the rings, taken or not. Default false. */
  readonly history?: boolean | undefined;
  /** How long the endpoint may take to answer, in ms. Default 1000. */
  readonly timeout?: number | undefined;
}

interface Watched {
  readonly descriptor: number;
  readonly streams: readonly { readonly stream: Stream; readonly reader: RingReader }[];
}

/**
 * Watches all channels of an endpoint, by the memory of their rings, for reading only. The endpoint is asked once a channel for its memory,
 * and by `look` for its channels. `read` asks nobody: those watched neither wait nor notice.
 */
export class Tap {
  readonly #name: string;
  readonly #options: TapOptions;
  readonly #binding = loadBinding();
  readonly #channels = new Map<string, Watched>();
  #nextIndex = 0;
  /** The first look begins where the rings are; channels that come later are read from their beginning. */
  #first = true;

  constructor(name: string, options: TapOptions = {}) {
    this.#name = name;
    this.#options = options;
  }

  /** Whether `look` has succeeded once. */
  get begun(): boolean {
    return !this.#first;
  }

  /** The number of channels that are watched. */
  get size(): number {
    return this.#channels.size;
  }

  /**
   * Looks for channels that are new, and for those that have ended, whose last messages it returns. Rejects with a NotFoundError if nobody
   * listens (any more); a RefusedError if the endpoint lets nobody watch; a TransportError if all of its channels go over a stream; a
   * HandshakeTimeoutError if its event loop does not answer and never has.
   */
  async look(): Promise<TapEvent[]> {
    const { namespace, directory, timeout = 1000 } = this.#options;
    const info = await health(this.#name, { namespace, directory, timeout });
    if (info.state === "blocked" && !this.#first) return [];
    const channels = channelsOf(info);
    const events: TapEvent[] = [];
    for (const [id, watched] of this.#channels) {
      if (channels.some((channel) => channel.id === id)) continue;
      events.push(...this.#readChannel(watched));
      events.push(...watched.streams.map(({ stream }) => ({ type: "end" as const, stream })));
      this.#forget(id, watched);
    }
    let streams = 0;
    for (const { id, peer, transport } of channels) {
      if (id === null || this.#channels.has(id)) continue;
      if (transport === "shm") events.push(...(await this.#open(id, peer, timeout)));
      else streams++;
    }
    if (streams > 0 && streams === channels.length) throw notShown("not in shared memory");
    this.#first = false;
    return events;
  }

  /** Returns what has come since the last call. Throws a CorruptError if the memory of a channel makes no sense. */
  read(): TapEvent[] {
    return [...this.#channels.values()].flatMap((watched) => this.#readChannel(watched));
  }

  close(): void {
    for (const [id, watched] of this.#channels) this.#forget(id, watched);
  }

  async #open(id: string, peer: Stream["peer"], timeout: number): Promise<TapEvent[]> {
    const { namespace, directory, history = false } = this.#options;
    const wire = await dial(resolveAddress(this.#name, { namespace, directory }), this.#binding);
    const shown = await askForMemory(wire, this.#binding, id, timeout);
    try {
      const placed = placesOf(shown, this.#binding.layout);
      const streams = placed.map(({ lane, way, control, data }) => ({
        stream: {
          index: this.#nextIndex++,
          channel: id,
          peer: { pid: peer.pid, role: peer.role },
          lane: lane.name,
          way,
          capacity: lane.capacity,
          codec: way === "out" ? lane.codec.send : lane.codec.receive,
        },
        reader: new RingReader(
          { descriptor: shown.descriptor, control, data, capacity: lane.capacity },
          this.#binding.layout,
        ),
      }));
      for (const { reader } of streams) reader.start(history || !this.#first);
      this.#channels.set(id, { descriptor: shown.descriptor, streams });
      return streams.map(({ stream }) => ({ type: "open", stream }));
    } catch (error) {
      closeSync(shown.descriptor);
      throw error;
    }
  }

  #readChannel({ streams }: Watched): TapEvent[] {
    const events: TapEvent[] = [];
    for (const { stream, reader } of streams) {
      const { records, missed } = reader.read();
      const time = wallClock();
      if (missed > 0) events.push({ type: "missed", stream, time, count: missed });
      for (const record of records) events.push({ type: "message", stream, time, ...record });
    }
    return events;
  }

  #forget(id: string, { descriptor }: Watched): void {
    this.#channels.delete(id);
    closeSync(descriptor);
  }
}

function channelsOf(info: EndpointInfo) {
  if (info.state === "blocked") {
    throw new HandshakeTimeoutError(
      `the process that listens on ${info.path} does not answer: its event loop is busy or stopped`,
    );
  }
  if (info.state !== "healthy") throw new NotFoundError(`nobody listens under ${info.path}`, info.path);
  return listEndpoint(info, wallClock()).channels ?? [];
}

/** Returns where the rings lie in a region with these lanes and that of the blocks, as docs/layout.md says. */
function placesOf({ lanes }: Shown, { region }: Layout) {
  const { headerBytes, controlBytes, ringsALane, dataAlignment, mostLanes } = region;
  const count = lanes.length + 1;
  if (count > mostLanes) throw new TransportError(`a region has no ${count} lanes`);
  let data = Math.ceil((headerBytes + controlBytes * ringsALane * count) / dataAlignment) * dataAlignment;
  return lanes.flatMap((lane, i) =>
    (["out", "in"] as const).map((way, ring) => {
      const place = { lane, way, control: headerBytes + controlBytes * (i * ringsALane + ring), data };
      data += lane.capacity;
      return place;
    }),
  );
}
