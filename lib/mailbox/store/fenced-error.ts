import type { Owner } from "./tables.js";

/** Another broker has taken the store over. This one must step back, and has written nothing since. */
export class FencedError extends Error {
  constructor(readonly owner: Owner) {
    super(`process ${owner.pid} has taken the store over`);
  }
}
