import type { Server } from "node:net";
import { clearTimeout, setTimeout, type Timer } from "../../clock.js";
import type { Binding } from "../../native/binding.js";
import { wrapNative } from "./addon-wire.js";
import { wrapNet } from "./net-wire.js";
import type { Wire } from "./wire.js";

/** The calls of a listening socket. */
export interface AcceptHandler {
  onWire(wire: Wire): void;
  /** Called when a connection could not be accepted. Others still may be. */
  onError(error: Error): void;
}

/** A listening socket. Quiet until `start`. */
export interface Acceptor {
  start(handler: AcceptHandler): void;
  /** Leaves connections waiting in the kernel. */
  pause(): void;
  resume(): void;
  ref(): void;
  unref(): void;
  /** Closes the socket. Connections that wait in the kernel are cut off. Idempotent. */
  close(): void;
}

/** The most connections that are accepted in one turn of the event loop. */
const ACCEPTS_A_TURN = 32;
/** How long (ms) connections are left waiting after an error such as EMFILE, which would come again at once. */
const PAUSE_AFTER_ERROR = 100;

/** Accepts over the addon. The descriptor belongs to the acceptor. */
export function acceptNative(binding: Binding, descriptor: number): Acceptor {
  let handler: AcceptHandler | undefined;
  let paused = false;
  let closed = false;
  let rest: Timer | undefined;
  const update = () => {
    if (!closed) watcher.set(handler !== undefined && !paused && rest === undefined, false);
  };
  const accept = () => {
    for (let accepted = 0; accepted < ACCEPTS_A_TURN && !closed && !paused; accepted += 1) {
      try {
        const peer = binding.socketAccept(descriptor);
        if (peer === -1) return;
        handler!.onWire(wrapNative(binding, peer));
      } catch (error) {
        rest = setTimeout(() => {
          rest = undefined;
          update();
        }, PAUSE_AFTER_ERROR);
        rest.unref();
        update();
        handler!.onError(error as Error);
        return;
      }
    }
  };
  const watcher = binding.watch(descriptor, accept);
  return {
    start(given) {
      handler = given;
      update();
    },
    pause() {
      paused = true;
      update();
    },
    resume() {
      paused = false;
      update();
    },
    ref: () => watcher.ref(),
    unref: () => watcher.unref(),
    close() {
      if (closed) return;
      closed = true;
      clearTimeout(rest);
      watcher.close();
      binding.closeDescriptor(descriptor);
    },
  };
}

/** Accepts over a listening server of node:net (with `pauseOnConnect` and `allowHalfOpen`). */
export function acceptNet(server: Server): Acceptor {
  let handler: AcceptHandler | undefined;
  let paused = false;
  // node:net accepts without being asked, so connections that come before `start` or in a pause wait here.
  let waiting: Wire[] = [];
  const deliver = () => {
    while (handler !== undefined && !paused && waiting.length > 0) handler.onWire(waiting.shift()!);
  };
  server.on("connection", (socket) => {
    waiting.push(wrapNet(socket));
    deliver();
  });
  server.on("error", (error) => handler?.onError(error));
  return {
    start(given) {
      handler = given;
      deliver();
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      deliver();
    },
    ref: () => server.ref(),
    unref: () => server.unref(),
    close() {
      for (const wire of waiting) wire.destroy();
      waiting = [];
      server.close();
    },
  };
}
