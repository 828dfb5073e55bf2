import { floor } from "./floor.mjs";

/** How long a round is, as a part of the usual: there are many rows, and some thousand wake-ups are enough. */
const PART = 0.25;

/**
 * Two C++ processes that wake each other in turn.
 * @param {string} peer
 * @param {string} mode of floors/wake.cc
 * @param {"same core" | "different cores"} where
 * @param {string} what
 */
function wakeUp(peer, mode, where, what) {
  const together = where === "same core";
  return floor({
    name: `wake-${mode}-${together ? "same" : "different"}`,
    peer,
    title: `C++: ${what}, ${where}`,
    program: "wake",
    mode,
    facts: { kind: "echo", payload: "bytes", cores: together ? 1 : 2 },
    part: PART,
    together,
    needsCores: true,
  });
}

/** @param {"same core" | "different cores"} where */
function all(where) {
  return [
    wakeUp("futex", "futex", where, "a futex"),
    wakeUp("eventfd", "eventfd", where, "an eventfd, epoll"),
    wakeUp("socket", "socket", where, "a byte over a Unix socket, epoll"),
    wakeUp("socket", "socket-blocking", where, "a byte over a Unix socket, blocking"),
  ];
}

/** Not on the same core, where whoever polls would keep the other from running. */
const polling = wakeUp(
  "socket",
  "socket-polling",
  "different cores",
  "a byte over a Unix socket, both polling",
);

export const wakeUps = [...all("same core"), ...all("different cores"), polling];
