// A page that sends what the input says, to a session, a service and a channel: messages as ws hands them over, text or binary, whole but of
// any content; pongs, and the end at any moment.
//
// The gate agrees with JSON.parse on what is too deep. A client that has not said who it is gets nothing done, a viewer calls nothing, and
// the client never has more bytes in its window than it may. All that is sent is JSON-RPC, and the session goes on.
import { z } from "zod";
import { ChannelClient } from "../../../lib/bridge/channel-client.js";
import { FrameCache } from "../../../lib/bridge/frame-cache.js";
import { isDeeperThan } from "../../../lib/bridge/guard.js";
import { type BridgeOptions, settingsOf } from "../../../lib/bridge/options.js";
import { ServiceClient } from "../../../lib/bridge/service-client.js";
import { SessionClient } from "../../../lib/bridge/session-client.js";
import type { ClientHost, SocketClient } from "../../../lib/bridge/socket-client.js";
import { Terminal } from "../../../lib/bridge/terminal.js";
import type { WebSocket } from "../../../lib/bridge/web-socket.js";
import { text } from "../../../lib/codec/index.js";
import { RingbellError } from "../../../lib/errors.js";
import { memoryPair } from "../../../lib/memory-pair.js";
import { contract, request, stream } from "../../../lib/rpc/contract.js";
import { servedBy } from "../../../lib/rpc/handlers.js";
import { CANCEL, CREDIT, INPUT, INPUT_END, PING } from "../../../lib/rpc/message.js";
import { Service } from "../../../lib/rpc/service.js";
import { SESSION_PROTOCOL } from "../../../lib/session/control.js";
import { Session } from "../../../lib/session/session.js";
import { advance, reset, settle } from "../driver/virtual-clock.js";
import { check, Input, split } from "./input.js";

const TOKENS = { boss: "b".repeat(32), viewer: "v".repeat(32) };
const WINDOW = 2000;
const METHODS = split("attach input ack ping snapshot terminal approve count send rpc.x boom");
const ABOUT = [CANCEL, CREDIT, INPUT, INPUT_END, PING];
const KEYS = [
  ...split("jsonrpc id method params protocol client instance from last cursor token count session epoch"),
  ...split("number acked name offset key seen timeout credit input message items live snapshot __proto__"),
];

type Heard = { [event: string]: (...values: unknown[]) => void };

/** A socket of ws as the bridge sees it. */
class PageSocket implements WebSocket {
  readonly heard: Heard = {};
  readonly sent: (string | Uint8Array)[] = [];
  bufferedAmount = 0;
  isClosed = false;

  send(data: string | Uint8Array): void {
    check(!this.isClosed, "nothing is sent to a socket that is closed");
    this.sent.push(data);
  }
  ping(): void {}
  close(code: number, reason: string): void {
    check(code >= 1000 && code < 5000 && Buffer.byteLength(reason) <= 123, "a close that ws takes");
    this.terminate();
  }
  terminate(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.heard.close?.(1006, Buffer.alloc(0));
  }
  pause(): void {}
  resume(): void {}
  on(event: string, listener: (...values: never[]) => void): this {
    const before = this.heard[event];
    this.heard[event] = (...values) => {
      before?.(...values);
      (listener as (...values: unknown[]) => void)(...values);
    };
    return this;
  }
}

const calls = contract("calls", {
  approve: request(z.object({ count: z.number() }), z.unknown()),
  count: stream(z.object({ count: z.number().max(200) }), z.number()),
  boom: request(z.unknown(), z.unknown()),
});

/** What was called, by clients of any role. */
let called = 0;
const handlers = {
  approve: ({ count }: { count: number }) => {
    called++;
    return count;
  },
  *count({ count }: { count: number }) {
    called++;
    for (let n = 0; n < count; n++) yield n;
  },
  boom: () => {
    called++;
    throw new TypeError("boom");
  },
};

function options(input: Input): Partial<BridgeOptions> {
  switch (input.below(3)) {
    case 0:
      return { session: session() as never };
    case 1: {
      const served = servedBy(calls, handlers, { concurrency: 2, queue: 3 });
      const service = new Service(served, contract("none"), { path: undefined, close: async () => {} });
      service.on("peerError", (error) =>
        check(error instanceof RingbellError, `a typed report; ${error.stack}`),
      );
      return { service: service as never, roles: { operator: ["approve", "count", "boom"], viewer: [] } };
    }
    default:
      return { channel: () => page() as never };
  }
}

function session(): Session {
  const made = new Session({
    snapshot: () => ({ called }),
    inputs: contract("inputs", { approve: request(z.object({ count: z.number() }), z.unknown()) }),
    handlers: { approve: handlers.approve },
    roles: { operator: { inputs: "all" }, viewer: { inputs: [] } },
    log: { maxEvents: 20 },
  } as never);
  made.on("peerError", (error) => check(error instanceof RingbellError, `a typed report; ${error.stack}`));
  return made as never;
}

/** A channel, whose other end sends some messages and drops what it gets. */
function page(): object {
  const [one, other] = memoryPair({ codec: text() });
  other.on("message", () => {});
  for (const message of ["1", '{"a":[1]}', '"text"']) other.trySend(message);
  return one;
}

/** What the session told the client of itself when it attached. */
function welcomeIn(sent: readonly (string | Uint8Array)[]): Record<string, unknown> {
  for (const one of sent) {
    if (typeof one !== "string") continue;
    const { result } = JSON.parse(one);
    if (typeof result === "object" && result !== null && "epoch" in result) return result;
  }
  return {};
}

function message(input: Input, { session, epoch }: Record<string, unknown>): unknown {
  const id = input.below(6) === 0 ? input.json(KEYS, 1) : input.below(20);
  switch (input.below(9)) {
    case 0:
      return input.json(KEYS);
    case 1: {
      const params = {
        protocol: SESSION_PROTOCOL,
        client: "page",
        instance: "i",
        from: input.pick(["snapshot", "live", { last: 3 }, { cursor: "x.1" }]),
        token: input.pick([TOKENS.boss, TOKENS.viewer, "wrong"]),
      };
      return input.spoil({ jsonrpc: "2.0", id, method: "attach", params: input.spoil(params, KEYS) }, KEYS);
    }
    case 2:
      return { jsonrpc: "2.0", method: "ack", params: { count: input.below(5) === 0 ? input.number() : 1 } };
    case 3: {
      const params = {
        ...{ session, epoch, number: 1 + input.below(4), acked: input.below(3) },
        ...{ method: input.below(6) === 0 ? input.pick(METHODS) : "approve", params: { count: 1 } },
      };
      return input.spoil({ jsonrpc: "2.0", id, method: "input", params: input.spoil(params, KEYS) }, KEYS);
    }
    case 4:
      return input.spoil(
        { jsonrpc: "2.0", id, method: "terminal", params: { name: "main", offset: 0 } },
        KEYS,
      );
    case 5: {
      const params = { id: input.below(20), count: input.number(), items: [1] };
      return input.spoil({ jsonrpc: "2.0", method: input.pick(ABOUT), params }, KEYS);
    }
    default: {
      const params = input.below(3) === 0 ? input.json(KEYS, 2) : { count: input.below(100), message: "m" };
      return input.spoil({ jsonrpc: "2.0", id, method: input.pick(METHODS), params }, KEYS);
    }
  }
}

/** How deep a value is nested. */
function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

/** What the gate says of a text, against a parser. */
function compareDepth(text: string): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return;
  }
  for (const most of [1, 3, 8])
    check(isDeeperThan(text, most) === depthOf(value) > most, `the depth of ${text}`);
}

function judge(sent: readonly (string | Uint8Array)[]): void {
  for (const one of sent) {
    const text = typeof one === "string" ? one : Buffer.from(one).toString("latin1");
    // Bytes of terminals begin with a number.
    if (!text.startsWith("{")) continue;
    const { jsonrpc, id, method, result, error } = JSON.parse(text);
    check(jsonrpc === "2.0", "what is sent is JSON-RPC");
    check(
      method !== undefined || (id !== undefined && (result === undefined) !== (error === undefined)),
      "an answer",
    );
  }
}

export function run(bytes: Uint8Array): void {
  reset();
  called = 0;
  const input = new Input(bytes);
  const settings = settingsOf({
    origins: [],
    tokens: {
      [TOKENS.boss]: { name: "boss", role: "operator" },
      [TOKENS.viewer]: { name: "eve", role: "viewer" },
    },
    limits: { windowBytes: WINDOW, maxBufferedBytes: 4000, maxInputs: 2, maxDepth: 8, maxRate: 50 },
    ...options(input),
  } as BridgeOptions);
  const terminal = new Terminal("main", 0, 1024, () => {});
  let gone = 0;
  const host: ClientHost = {
    settings,
    frames: new FrameCache(),
    terminals: new Map([["main", terminal]]),
    gone: () => gone++,
    refused: () => {},
  };
  const { target } = settings;
  const socket = new PageSocket();
  const token = input.pick([undefined, TOKENS.boss, TOKENS.viewer]);
  const client: SocketClient =
    target.kind === "session"
      ? new SessionClient(target.session, socket, host, "here", token)
      : target.kind === "service"
        ? new ServiceClient(target.service, socket, host, "here", token)
        : new ChannelClient(target.open, socket, host, "here", token);
  while (input.more && !socket.isClosed) {
    switch (input.below(16)) {
      case 0:
        advance(input.below(1000));
        client.look();
        break;
      case 1:
        if (target.kind === "session") target.session.append({ n: input.byte() });
        break;
      case 2:
        terminal.write(input.bytes(50));
        break;
      case 3:
        socket.bufferedAmount = input.below(6000);
        break;
      case 4: {
        const anything = input.text(60);
        compareDepth(anything);
        socket.heard.message!(Buffer.from(anything), false);
        break;
      }
      case 5:
        if (input.below(6) === 0) socket.heard.message!(input.bytes(20), true);
        else socket.heard.pong!();
        break;
      default: {
        const usual = JSON.stringify(message(input, welcomeIn(socket.sent)));
        compareDepth(usual);
        socket.heard.message!(Buffer.from(usual), false);
      }
    }
    settle();
    const mayCall = client.name === "boss";
    check(called === 0 || mayCall, "nobody but the operator calls anything");
    check(client.unacknowledged <= WINDOW + 20_000, "a window");
  }
  judge(socket.sent);
  socket.terminate();
  settle();
  advance(5000);
  check(gone === 1, "the bridge hears once that the client has gone");
}

export function* seeds(): Iterable<Uint8Array> {
  for (const target of [0, 1, 2]) {
    for (const token of [0, 1, 2]) {
      yield Buffer.from([
        target,
        token,
        9,
        1,
        1,
        0,
        1,
        1,
        ...Array.from({ length: 150 }, (_, at) => (at * 7) % 19),
      ]);
      const attach = { jsonrpc: "2.0", id: 1, method: "ping", params: {} };
      const text = Buffer.from(JSON.stringify(attach));
      yield Buffer.concat([Buffer.from([target, token, 4, text.length]), text]);
    }
  }
}

export const words = [...KEYS, ...METHODS, ...ABOUT].map((word) => `"${word}"`);
