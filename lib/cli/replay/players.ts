import type { Channel } from "../../channel/channel.js";
import { connect } from "../../channel/connect.js";
import type { Codec, Scratch } from "../../codec/codec.js";
import { noRoom } from "../../codec/codec.js";
import { EncodeError } from "../../errors.js";
import type { Stream, TapEvent } from "../../watch/index.js";
import type { Values } from "../command.js";
import { connecting } from "../joining.js";

type Message = Extract<TapEvent, { type: "message" }>;
type Raw = Channel<Uint8Array, true>;

/** The channels over which a recording is sent: one for each channel in it. */
export class Players {
  readonly #name: string;
  readonly #values: Values;
  readonly #streams: readonly Stream[];
  readonly #channels = new Map<string, Promise<Raw>>();
  sent = 0;
  /** Messages with blocks, whose memory is not in the recording. */
  skipped = 0;
  received = 0;

  constructor(name: string, values: Values, streams: readonly Stream[]) {
    this.#name = name;
    this.#values = values;
    this.#streams = streams;
  }

  /** Resolves when the message is on its way. Rejects as `connect` and `send` do. */
  async send({ stream, kind, content }: Message): Promise<void> {
    if (kind !== 0) {
      this.skipped += 1;
      return;
    }
    const channel = await this.#channelOf(stream);
    await laneOf(channel, stream.lane).send(content);
    this.sent += 1;
  }

  /** Resolves when the endpoint has taken everything. */
  async finish(): Promise<void> {
    for (const opened of this.#channels.values()) {
      const channel = await opened;
      for (const lane of [channel, ...lanesOf(channel)]) await lane.flush();
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#channels.values()].map(async (channel) => (await channel).close()));
  }

  #channelOf(stream: Stream): Promise<Raw> {
    let channel = this.#channels.get(stream.channel);
    if (channel === undefined) {
      channel = this.#connect(stream);
      this.#channels.set(stream.channel, channel);
    }
    return channel;
  }

  async #connect({ channel: id, way, peer }: Stream): Promise<Raw> {
    const ofChannel = this.#streams.filter((stream) => stream.channel === id);
    const lanes = Object.fromEntries(
      ofChannel
        .filter((stream) => stream.way === way)
        .map(({ lane, codec }) => {
          const back = ofChannel.find((other) => other.lane === lane && other.way !== way)?.codec ?? codec;
          return [lane, { codec: { send: raw(codec), receive: raw(back) } }];
        }),
    );
    const channel = (await connect(this.#name, {
      ...connecting(this.#values),
      lanes,
      // A block would be cut off a longer message. Whatever fitted the ring then fits it now.
      bulkThreshold: 1024 * 1024 * 1024,
      ...(peer.role === null ? {} : { role: peer.role }),
    } as object)) as unknown as Raw;
    const take = () => {
      this.received += 1;
    };
    for (const lane of [channel, ...lanesOf(channel)]) lane.on("message", take);
    return channel;
  }
}

function lanesOf(channel: Raw): Raw[] {
  return Object.values(channel.lanes as unknown as Record<string, Raw>);
}

function laneOf(channel: Raw, name: string): Raw {
  return name === channel.name ? channel : (channel.lanes as unknown as Record<string, Raw>)[name]!;
}

/** A codec that has the identity of another, and carries messages that are encoded already. What it receives it leaves as it is. */
function raw({ name, fingerprint, schema }: Stream["codec"]): Codec<Uint8Array, true> {
  return {
    name,
    fingerprint,
    ...(schema === undefined ? {} : { schema }),
    encode(message: Uint8Array, scratch: Scratch, offset: number): number {
      if (!(message instanceof Uint8Array)) throw new EncodeError("must be a Uint8Array", "");
      if (message.length > scratch.length - offset) return noRoom(message.length);
      scratch.buffer.set(message, offset);
      return message.length;
    },
    decode: () => true,
  };
}
