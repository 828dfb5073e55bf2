import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { checkOptions } from "../check.js";
import { soon, turn } from "../clock.js";
import { ClosedError, InvalidArgumentError } from "../errors.js";
import type { Peer, WaitOptions } from "../port.js";
import { raise } from "../raise.js";
import { connectionChannel, endpointChannel, handshakeErrorChannel, trace } from "../trace.js";
import type { Joined } from "../transport/handshake/joining.js";
import { acceptPeer, type ListenerSettings } from "../transport/handshake/listener.js";
import { forRole } from "../transport/handshake/negotiate.js";
import { notShown, type Shown } from "../transport/handshake/showing.js";
import type { Endpoint } from "../transport/places/endpoint.js";
import type { Wire } from "../transport/wire/wire.js";
import { abortable, abortFrom } from "./abort.js";
import type { Channel } from "./channel.js";
import { Listening } from "./listening.js";
import { Lobby, type Waiter } from "./lobby.js";

/** The most handshakes at the same time. One more pushes out the oldest that has not finished. */
const MOST_HANDSHAKES = 512;
/** The most channels that wait to be taken. Further peers wait in the kernel. */
const MOST_WAITING = 1024;

/** The events of a Server. */
export interface ServerEvents<Accepted extends Channel> {
  /** A peer has connected. While this event has a listener, channels do not wait for an iterator. */
  connection: [channel: Accepted];
  /**
   * A handshake failed (the peer was refused, fell silent, speaks another version, uses another schema, …),
   * or a connection could not be accepted. The event only informs: the server goes on, and without a listener
   * nothing is thrown.
   */
  peerError: [error: Error];
  /**
   * Files of the name were taken away, by hand or by a program that cleans up temporary files. Comes at once on
   * Linux, else within a minute. Without its socket, nobody new can connect; `rebind` makes the files anew.
   * Channels that are open go on.
   */
  filesLost: [paths: readonly string[]];
  /**
   * A peer speaks lines of JSON in place of the handshake, with the option `lines`. The socket is the program's, and so is its end. Without a
   * listener for the event it is closed.
   */
  lines: [socket: Socket, peer: Peer];
  /** The server has given up its name, and all channels are closed. Comes once. */
  close: [];
}

/** The parts of which `listen` makes a server. */
export interface ServerParts<Accepted extends Channel> {
  readonly endpoint: Endpoint;
  readonly handshake: Omit<ListenerSettings, "status" | "onLines" | "show">;
  /** Whether peers may speak lines of JSON. */
  readonly lines: boolean;
  /** The names of the entries of the option `roles`; empty without that option. */
  readonly roles: readonly string[];
  /** `whenOver` is called when the channel has ended, right before its close event. */
  makeChannel(joined: Joined, whenOver: () => void): Accepted;
}

export interface AcceptOptions extends WaitOptions {
  /** The entry of the option `roles` that the channel must have got. Channels of other entries stay for other calls. Default: any. */
  readonly role?: string | undefined;
}

const any = () => true;
const DONE = { done: true, value: undefined } as const;

/**
 * A name that this process listens on, made by `listen`. An async iterable of channels, one for each peer
 * that connects. Channels wait, up to 1024 of them, until they are taken. Each is given to one iterator.
 * Leaving the loop does not close the server. The server keeps the process alive, unless `unref` was called.
 */
export class Server<Accepted extends Channel = Channel>
  extends EventEmitter<ServerEvents<Accepted>>
  implements AsyncIterable<Accepted>
{
  /** The name, or the last part of the path if `listen` was given a path. */
  readonly name: string;
  /** The path of the socket; `connect` takes it as a name. */
  readonly path: string;
  /** The channels that are open, including those that wait to be taken. */
  readonly channels: ReadonlySet<Accepted>;

  readonly #parts: ServerParts<Accepted>;
  readonly #listening: Listening;
  readonly #channels = new Set<Accepted>();
  /** The connections of the channels, by their ids. */
  readonly #connections = new Map<string, Joined>();
  /** The random part of connection ids. It makes them differ from the ids of another run of this process. */
  readonly #idPrefix = randomBytes(6).toString("hex");
  #lastId = 0;
  readonly #handshakes = new Set<Wire>();
  readonly #lobby = new Lobby<Accepted>();
  /** Whether an iterator was ever asked for. If so, events do not take channels away from it. */
  #iterated = false;
  #closing: Promise<void> | undefined;

  /** Made by `listen`. */
  constructor(parts: ServerParts<Accepted>) {
    super();
    this.#parts = parts;
    this.name = parts.endpoint.address.name;
    this.path = parts.endpoint.address.socketPath;
    this.channels = this.#channels;
    // A "connection" listener gets the channels, too, that came before it was added. (The type knows only our
    // own events.)
    (this as unknown as EventEmitter).on("newListener", (event) => {
      if (event === "connection") soon(() => this.#emitWaiting());
    });
    this.#listening = new Listening(parts.endpoint, {
      onWire: (wire) => void this.#shake(wire),
      onError: (error) => this.#report(error),
    });
    parts.endpoint.onMissing((paths) => this.#lost(paths));
    endpointChannel.publish({ state: "open", name: this.name, path: this.path });
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Stops listening. The name is free at once, handshakes under way are cut off, and iterators end. All
   * channels are closed in order, as their own `close` does: what was sent before arrives. Resolves when that
   * is done. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The paths of the name at which its files are no more: socket, lock. Empty if all is well. Looks now. */
  get missing(): readonly string[] {
    return this.#listening.missing;
  }

  /**
   * Makes files of the name anew that were taken away. Does nothing if none is missing. Rejects with an
   * AlreadyRunningError if another process has taken the name meanwhile, and else as `listen` does. Then
   * nothing has changed, and it can be called again.
   */
  async rebind(): Promise<void> {
    await this.#listening.rebind();
    endpointChannel.publish({ state: "open", name: this.name, path: this.path });
  }

  /** Makes the server keep the process alive again, after `unref`. Channels have their own `ref`. */
  ref(): this {
    this.#listening.unref(false);
    return this;
  }

  /** Lets the process end while the server listens. */
  unref(): this {
    this.#listening.unref(true);
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Returns the channel that has waited longest, or the next that connects; with `role`, only channels of
   * that entry count. Rejects with a ClosedError (ERR_RINGBELL_CLOSED) when the server is closed, and on
   * abort or time-out.
   */
  accept<Role extends Accepted["role"]>(
    options: AcceptOptions & { readonly role: Role },
  ): Promise<Accepted & { readonly role: Role }>;
  accept(options?: WaitOptions): Promise<Accepted>;
  async accept(options: AcceptOptions = {}): Promise<Accepted> {
    checkOptions(options, ["role", "signal", "timeout"], "options");
    const abort = abortFrom(options, "no peer connected");
    const wants = this.#wanting(options.role);
    if (this.closed || abort?.aborted) await turn();
    abort?.throwIfAborted();
    const channel = this.#take(wants);
    if (channel !== undefined) return channel;
    return abortable<Accepted>(abort, (resolve, reject) => {
      const end = () => reject(new ClosedError("the server was closed"));
      if (this.closed) end();
      return this.#lobby.wait({ wants, take: resolve, end });
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<Accepted, undefined> {
    this.#iterated = true;
    const leaves = new Set<() => void>();
    let done = false;
    return {
      next: () => {
        const channel = done ? undefined : this.#take(any);
        if (channel !== undefined) return Promise.resolve({ done: false, value: channel });
        if (done || this.closed) return Promise.resolve(DONE);
        return new Promise((resolve) => {
          const waiter: Waiter<Accepted> = {
            wants: any,
            take(value) {
              leaves.delete(leave);
              resolve({ done: false, value });
            },
            end: () => resolve(DONE),
          };
          const forget = this.#lobby.wait(waiter);
          const leave = () => {
            forget();
            waiter.end();
          };
          leaves.add(leave);
        });
      },
      return: () => {
        done = true;
        for (const leave of leaves) leave();
        return Promise.resolve(DONE);
      },
    };
  }

  /** Returns the answer to a status query. */
  #status(): object {
    const { name, pid, space, version, role, created } = this.#parts.endpoint.record;
    const channels = [...this.#channels].map((channel) => ({ peer: channel.peer, stats: channel.stats() }));
    return { name, pid, space, version, role, created, missing: this.missing, channels };
  }

  /** Returns the memory of a channel, for a process that watches. */
  #show(id: string): Shown {
    const { tap, offers } = this.#parts.handshake;
    if (!tap) throw notShown("not allowed");
    const joined = this.#connections.get(id);
    if (joined === undefined) throw notShown("no such channel");
    const { connection, lanes, peer } = joined;
    if (connection.memory === undefined) throw notShown("not in shared memory");
    const codecs = new Map(forRole(peer.role, offers).map((offer) => [offer.name, offer.codecs]));
    const capacities = new Map(connection.lanes.map((lane) => [lane.name, lane.capacity]));
    return {
      descriptor: connection.memory,
      lanes: lanes.map(({ name, choice }) => ({
        name,
        capacity: capacities.get(name)!,
        codec: codecs.get(name)![choice]!,
      })),
    };
  }

  async #shake(wire: Wire): Promise<void> {
    if (this.#handshakes.size >= MOST_HANDSHAKES) {
      for (const oldest of this.#handshakes) {
        this.#handshakes.delete(oldest);
        oldest.destroy();
        break;
      }
    }
    this.#handshakes.add(wire);
    this.#lastId += 1;
    const id = `${this.#idPrefix}-${this.#lastId}`;
    try {
      const onLines = this.#parts.lines ? this.#onLines(wire) : undefined;
      const settings = {
        ...this.#parts.handshake,
        onLines,
        status: () => this.#status(),
        show: (of: string) => this.#show(of),
      };
      const joined = await acceptPeer(wire, id, settings);
      if (joined !== undefined) this.#welcome(joined, this.#handshakes.has(wire));
    } catch (error) {
      trace("%s: handshake failed: %s", this.path, error);
      if (this.#handshakes.has(wire)) this.#report(error as Error);
    } finally {
      this.#handshakes.delete(wire);
    }
  }

  #welcome(joined: Joined, wanted: boolean): void {
    if (!wanted) {
      void joined.connection.close();
      return;
    }
    const { peer, connection } = joined;
    const channel = this.#parts.makeChannel(joined, () => {
      this.#channels.delete(channel);
      this.#connections.delete(peer.id);
    });
    this.#connections.set(peer.id, joined);
    this.#channels.add(channel);
    trace("%s: connected %o over %s", this.path, peer, connection.transport);
    connectionChannel.publish({ side: "listener", path: this.path, transport: connection.transport, peer });
    if (!this.#lobby.offer(channel) && (this.#iterated || this.listenerCount("connection") === 0)) {
      this.#lobby.keep(channel);
    }
    if (this.#lobby.size >= MOST_WAITING) this.#listening.pause(true);
    this.#tell("connection", channel);
  }

  #onLines(wire: Wire): (socket: Socket, peer: Peer) => void {
    return (socket, peer) => {
      trace("%s: %o speaks lines of JSON", this.path, peer);
      if (this.#handshakes.has(wire) && this.listenerCount("lines") > 0) this.#tell("lines", socket, peer);
      else socket.destroy();
    };
  }

  #emitWaiting(): void {
    if (this.#iterated) return;
    for (const channel of this.#lobby.takeAll()) this.#tell("connection", channel);
    this.#resumeIfRoom();
  }

  #wanting(role: string | undefined): (channel: Channel) => boolean {
    if (role === undefined) return any;
    const { roles } = this.#parts;
    if (roles.includes(role)) return (channel) => channel.role === role;
    const expected =
      roles.length === 0 ? "left out: this server has no option roles" : `one of ${roles.join(", ")}`;
    throw new InvalidArgumentError("options.role", expected, role);
  }

  #take(wants: (channel: Channel) => boolean): Accepted | undefined {
    this.#iterated = true;
    const channel = this.#lobby.take(wants);
    if (channel !== undefined) this.#resumeIfRoom();
    return channel;
  }

  #resumeIfRoom(): void {
    if (this.#lobby.size < MOST_WAITING) this.#listening.pause(false);
  }

  #lost(paths: readonly string[]): void {
    trace("%s: files were taken away: %o", this.path, paths);
    endpointChannel.publish({ state: "lost", name: this.name, path: this.path, missing: paths });
    this.#tell("filesLost", paths);
  }

  #report(error: Error): void {
    handshakeErrorChannel.publish({ path: this.path, error });
    this.#tell("peerError", error);
  }

  /** Emits an event. An error of a listener becomes an uncaught exception, not a failed handshake. */
  #tell<Event extends keyof ServerEvents<Accepted>>(
    event: Event,
    ...args: ServerEvents<Accepted>[Event]
  ): void {
    try {
      (this as unknown as EventEmitter).emit(event, ...args);
    } catch (error) {
      raise(error);
    }
  }

  async #close(): Promise<void> {
    this.#listening.close();
    for (const wire of this.#handshakes) wire.destroy();
    this.#handshakes.clear();
    this.#lobby.close();
    await Promise.allSettled([...this.#channels].map((channel) => channel.close()));
    endpointChannel.publish({ state: "closed", name: this.name, path: this.path });
    this.#tell("close");
  }
}
