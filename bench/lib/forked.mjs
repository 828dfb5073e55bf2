import { startAnswerer, stopAnswerer } from "./answerer.mjs";

/**
 * The channel that child_process opens to a child: `send` and `on("message")` at both ends.
 * @param {"json" | "advanced"} serialization
 * @returns {{
 *   serve(place: import("./peer.mjs").Place, answer: (message: any) => any): import("./peer.mjs").Server,
 *   drive(place: import("./peer.mjs").Place, heard: (reply: any) => void): import("./peer.mjs").Link,
 * }}
 */
export function forked(serialization) {
  return {
    serve({ payload }, answer) {
      const { encode, decode } = coding(serialization, payload);
      process.on("message", (message) => {
        const reply = answer(decode(message));
        if (reply !== undefined) process.send?.(encode(reply));
      });
      process.on("disconnect", () => process.exit());
      return { close: () => process.disconnect() };
    },

    drive(place, heard) {
      const { encode, decode } = coding(serialization, place.payload);
      const child = startAnswerer(place, { stdio: ["ignore", "ignore", "inherit", "ipc"], serialization });
      child.on("message", (reply) => heard(decode(reply)));
      let underWay = 0;
      /** @type {(() => void) | undefined} */
      let wake;
      const gone = (/** @type {Error | null} */ error) => {
        if (error) throw error;
        underWay--;
        if (underWay === 0) wake?.();
      };
      return {
        // What it is given is written out before it returns.
        send(message) {
          underWay++;
          return child.send(encode(message), gone);
        },
        // There is no "drain": the callback of the last message says it.
        ready: () =>
          new Promise((resolve) => {
            wake = () => resolve(undefined);
          }),
        pid: child.pid,
        close: () => stopAnswerer(child),
      };
    },
  };
}

/** @param {"json" | "advanced"} serialization @param {"bytes" | "object"} payload */
function coding(serialization, payload) {
  if (serialization === "json" && payload === "bytes") {
    return {
      encode: ({ buffer, byteOffset, byteLength }) =>
        Buffer.from(buffer, byteOffset, byteLength).toString("base64"),
      decode: (/** @type {any} */ text) => Buffer.from(text, "base64"),
    };
  }
  const same = (/** @type {any} */ message) => message;
  return { encode: same, decode: same };
}
