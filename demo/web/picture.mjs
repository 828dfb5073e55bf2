// The live picture: what the endpoints of the namespace say of themselves, as rates. It is what `ringbell ls --json` has, twice a second.

import { endpoints } from "../../dist/index.js";
import { nameOf } from "./agent.mjs";

const EVERY = 500;
/** The round trips that are kept of each service, and how many are made at each look. */
const KEPT = 40;
const PINGS = 8;
/** The bytes that a window may have in hand, as the bridge has it by default. */
const WINDOW = 65_536;

export class Picture {
  #options;
  #before = new Map();
  #at = performance.now();
  #roundTrips = new Map();
  #timer;
  #closed = false;
  /** How long tokens take to the scribe. */
  delivered;

  /**
   * @param {{ place: object, agent: { tokens: number }, session: any, bridge: any, services: Record<string, { ping(): Promise<string> }>,
   *   show(picture: object): void }} options
   */
  constructor(options) {
    this.#options = options;
    void this.#look();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #look() {
    const { place, show, services } = this.#options;
    const [infos] = await Promise.all([
      endpoints({ ...place, timeout: EVERY }),
      ...Object.entries(services).map(([name, service]) => this.#ping(name, service)),
    ]);
    if (this.#closed) return;
    const seconds = (performance.now() - this.#at) / 1000;
    this.#at = performance.now();
    const before = this.#before;
    this.#before = new Map();
    const rate = (key, value) => {
      this.#before.set(key, value);
      const last = before.get(key);
      // A counter that is smaller is that of another process.
      return last === undefined || value < last ? 0 : (value - last) / seconds;
    };
    show(this.#drawn(infos, rate));
    this.#timer = setTimeout(() => void this.#look(), EVERY);
  }

  #drawn(infos, rate) {
    const { agent, bridge, session } = this.#options;
    const names = new Map(infos.map(({ name, pid }) => [pid, name]));
    for (const { peer, client } of session.interfaces) if (peer !== undefined) names.set(peer.pid, client);
    const lanes = infos.flatMap((info) =>
      (info.status?.channels ?? []).flatMap(({ peer, stats }) =>
        stats.lanes.map((lane) =>
          this.#lane(info.name, names.get(peer.pid) ?? `process ${peer.pid}`, lane, rate),
        ),
      ),
    );
    const windows = [...bridge.clients].filter(({ name }) => name !== undefined);
    return {
      tokens: rate("tokens", agent.tokens),
      messages: lanes.reduce((sum, { messages }) => sum + messages, 0),
      processes: [
        ...infos.map(({ name, pid, state }) => ({ name, pid, state })),
        ...[...session.interfaces]
          .filter(({ peer }) => peer !== undefined)
          .map(({ client, peer }) => ({ name: client, pid: peer.pid, state: "healthy" })),
      ],
      lanes,
      latency: {
        ...Object.fromEntries([...this.#roundTrips].map(([name, times]) => [name, median(times)])),
        ...(this.delivered === undefined ? {} : { scribe: this.delivered.p50 }),
      },
      windows: windows.map(({ name, client, role, state, roundTrip, unacknowledged, missed }) => ({
        ...{ name: nameOf(name), client, role, state, missed },
        roundTrip: roundTrip ?? null,
        fill: Math.min(1, unacknowledged / WINDOW),
      })),
    };
  }

  #lane(name, peer, lane, rate) {
    const key = `${name} ${peer} ${lane.name}`;
    const { sentMessages, receivedMessages, sentBytes, receivedBytes } = lane;
    return {
      ...{ name, peer, lane: lane.name },
      messages: rate(`${key} messages`, sentMessages + receivedMessages),
      bytes: rate(`${key} bytes`, sentBytes + receivedBytes),
      fill: Math.max(lane.sendFill, lane.receiveFill) / lane.capacity,
    };
  }

  /** Some calls of a service that does nothing, one after the other. */
  async #ping(name, service) {
    const times = this.#roundTrips.get(name) ?? [];
    try {
      for (let n = 0; n < PINGS; n++) {
        const since = performance.now();
        await service.ping(undefined, { timeout: EVERY });
        times.push(performance.now() - since);
      }
    } catch {
      // It is gone, or busy. The picture shows that.
    }
    this.#roundTrips.set(name, times.slice(-KEPT));
  }
}

function median(values) {
  if (values.length === 0) return null;
  return values.toSorted((one, other) => one - other)[values.length >> 1];
}
