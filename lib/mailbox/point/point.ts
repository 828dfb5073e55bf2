import { timingSafeEqual } from "node:crypto";
import { checkInteger, checkNumber, checkOptions, checkSignal } from "../../check.js";
import { clearTimeout, now, setTimeout } from "../../clock.js";
import { InvalidArgumentError, RefusedError, TimeoutError } from "../../errors.js";
import { offAbort, onAbort } from "../../signal.js";
import { MESSAGE_BYTES, MOST_MESSAGE_BYTES, MOST_WAIT, SEND, WAIT } from "../limits.js";
import { checkText } from "../settings.js";
import { dialName, type NamePlace, receiveByName } from "./by-name.js";
import { checkPort, dialTcp, isLoopback, LOOPBACK, receiveByTcp, tcpAddress } from "./by-tcp.js";
import type { Answering, Asking, Receiver } from "./conversation.js";
import type { Reply, Say } from "./frames.js";

/*
 * One message from process to process, without a broker: one receives, and another sends. Nothing is stored.
 */

export interface PointOptions extends NamePlace {
  /** In ms. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What the other side wants to hear, over TCP beyond this machine. */
  readonly token?: string | undefined;
}

export interface SendOptions extends PointOptions {
  /** The sender's name, as it claims. */
  readonly from?: string | undefined;
}

export interface ReceiveOptions extends PointOptions {
  /** Receives over TCP at this port, in place of a name; 0 is any that is free. */
  readonly port?: number | undefined;
  /** The address to bind. Beyond loopback a token must be given. Default 127.0.0.1. */
  readonly bind?: string | undefined;
  /** Called with the name or HOST:PORT once others can send. */
  readonly onListening?: ((address: string) => void) | undefined;
  /** The longest text, in bytes. Default 1 000 000. */
  readonly maxMessageBytes?: number | undefined;
}

export interface Received {
  readonly message: string;
  /** The sender's name, as it claims; empty without one. */
  readonly from: string;
}

const POINT = ["namespace", "directory", "timeout", "signal", "token"];
const LONGEST_TOKEN = 1000;

/**
 * Sends a text to a process that receives under the name, or at `HOST:PORT`. Resolves when that process has it. Waits up to `timeout` ms
 * (10 000) for it to receive, and then rejects with a NotFoundError or a TimeoutError.
 */
export async function send(to: string, message: string, options: SendOptions = {}): Promise<void> {
  checkOptions(options, [...POINT, "from"], "options");
  if (typeof message !== "string") throw new InvalidArgumentError("message", "a text", message);
  const bytes = Buffer.byteLength(message);
  if (bytes > MOST_MESSAGE_BYTES) {
    throw new InvalidArgumentError("message", `a text of at most ${MOST_MESSAGE_BYTES} bytes`, bytes);
  }
  await ask(to, { message, from: checkText(options.from ?? "", "options.from", 0, 200) }, options);
}

/** Measures the way to a process that receives, there and back. Resolves with ms, with fractions. */
export async function ping(to: string, options: PointOptions = {}): Promise<number> {
  checkOptions(options, POINT, "options");
  return ask(to, { ping: 1 }, options);
}

/**
 * Receives under a name until a text comes, and resolves with it. Pings are answered meanwhile. Rejects with a TimeoutError after `timeout`
 * ms (60 000, at most 300 000), and with an AlreadyRunningError if another process receives under the name.
 */
export async function receive(name: string | undefined, options: ReceiveOptions = {}): Promise<Received> {
  const known = [...POINT, "port", "bind", "onListening", "maxMessageBytes"];
  checkOptions(options, known, "options");
  const timeout = checkNumber(options.timeout ?? WAIT, "options.timeout", 0, MOST_WAIT);
  const most = options.maxMessageBytes ?? MESSAGE_BYTES;
  checkInteger(most, "options.maxMessageBytes", 1, MOST_MESSAGE_BYTES);
  const token = checkToken(options.token);
  const limit = limited(timeout, options.signal, `no message came within ${timeout} ms`);
  let receiver: Receiver | undefined;
  try {
    return await new Promise<Received>((resolve, reject) => {
      onAbort(limit.signal, () => reject(limit.signal.reason));
      const taking = { token, most, resolve, taken: false };
      begin(name, options, (peer) => serve(peer, taking)).then((begun) => {
        receiver = begun;
        if (limit.signal.aborted) void begun.close();
        else options.onListening?.(begun.address);
      }, reject);
    });
  } finally {
    limit.stop();
    await receiver?.close();
  }
}

function begin(
  name: string | undefined,
  options: ReceiveOptions,
  onPeer: (peer: Answering) => void,
): Promise<Receiver> {
  const address = name === undefined ? undefined : tcpAddress(name, "name");
  if (options.port === undefined && address === undefined) {
    if (name === undefined) throw new InvalidArgumentError("name", "a name, where no port is given", name);
    return receiveByName(name, { namespace: options.namespace, directory: options.directory }, onPeer);
  }
  const host = options.bind ?? address?.host ?? LOOPBACK;
  if (!isLoopback(host) && options.token === undefined) {
    throw new InvalidArgumentError(
      "options.token",
      `given where ${host} is bound, which others can reach`,
      undefined,
    );
  }
  const port = options.port === undefined ? address!.port : checkPort(options.port, "options.port");
  return receiveByTcp({ host, port }, onPeer);
}

interface Taking {
  readonly token: string | undefined;
  readonly most: number;
  resolve(received: Received): void;
  /** Whether a message was received. */
  taken: boolean;
}

/** Answers pings, and takes the first message. Later ones are refused: their senders keep them. */
function serve(peer: Answering, taking: Taking): void {
  peer.hear({
    frame(say) {
      const reply = replyTo(say, taking);
      peer.send(reply);
      if (reply.taken) taking.resolve({ message: say.message!, from: say.from ?? "" });
      if (reply.refused !== undefined) peer.close();
    },
    end() {},
  });
}

function replyTo({ message, ping: number, token }: Say, taking: Taking): Reply {
  if (!isToken(token, taking.token)) return { refused: "the token is missing or wrong" };
  if (message === undefined) return { pong: number! };
  if (taking.taken) return { refused: "another message was received before" };
  const bytes = Buffer.byteLength(message);
  if (bytes > taking.most)
    return { refused: `the text has ${bytes} bytes; ${taking.most} are taken at most` };
  taking.taken = true;
  return { taken: true };
}

/** Says one thing, and waits for the reply. Resolves with the ms between them. */
async function ask(to: string, say: Say, options: PointOptions): Promise<number> {
  const timeout = checkNumber(options.timeout ?? SEND, "options.timeout", 0, MOST_WAIT);
  const limit = limited(timeout, options.signal, `${to} did not answer within ${timeout} ms`);
  const token = checkToken(options.token);
  const { namespace, directory } = options;
  let talk: Asking | undefined;
  try {
    const address = tcpAddress(to, "to");
    talk = await (address === undefined
      ? dialName(to, { namespace, directory }, timeout, limit.signal)
      : dialTcp(address, timeout, limit.signal));
    const begun = now();
    const reply = await replied(talk, token === undefined ? say : { ...say, token }, limit.signal);
    if (reply.refused !== undefined) throw new RefusedError(`${to} refused it: ${reply.refused}`);
    return now() - begun;
  } finally {
    limit.stop();
    talk?.close();
  }
}

function replied(talk: Asking, say: Say, signal: AbortSignal): Promise<Reply> {
  return new Promise((resolve, reject) => {
    onAbort(signal, () => reject(signal.reason));
    talk.hear({ frame: resolve, end: reject });
    talk.send(say);
  });
}

/** A signal that is aborted by the program's, or when the time is over. */
function limited(timeout: number, given: AbortSignal | undefined, words: string) {
  const signal = checkSignal(given, "options.signal");
  signal?.throwIfAborted();
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new TimeoutError(words, timeout)), timeout);
  const abort = () => stop.abort(signal!.reason);
  if (signal !== undefined) onAbort(signal, abort);
  return {
    signal: stop.signal,
    stop() {
      clearTimeout(timer);
      if (signal !== undefined) offAbort(signal, abort);
    },
  };
}

function checkToken(token: unknown): string | undefined {
  return token === undefined ? undefined : checkText(token, "options.token", 1, LONGEST_TOKEN);
}

function isToken(given: string | undefined, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  const [a, b] = [Buffer.from(given ?? ""), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
