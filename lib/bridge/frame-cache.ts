/** Makes of a frame of a session what goes to clients. All clients get an event right after each other, so one is kept. */
export class FrameCache {
  #text = "";
  #bytes = Buffer.alloc(0);
  /** How many frames were made, for tests. */
  made = 0;

  get(text: string): Buffer {
    if (text !== this.#text) {
      this.#text = text;
      this.#bytes = Buffer.from(`{"jsonrpc":"2.0","method":"item","params":${text}}`);
      this.made++;
    }
    return this.#bytes;
  }
}
