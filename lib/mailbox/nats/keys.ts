import type { KV } from "@nats-io/kv";
import type { Link } from "./link.js";

/** The server's numbers for an update that came too late: the key has another revision. */
const WRONG_REVISION = [10071, 10164];

export interface Entry<T> {
  readonly value: T;
  /** What the next update has to name; 0 if the key is not there. */
  readonly revision: number;
}

/** A bucket of keys whose values are JSON. All changes name the revision that they replace. */
export class Keys {
  readonly #link: Link;
  readonly #kv: KV;
  readonly #stream: string;

  constructor(link: Link, kv: KV, bucket: string) {
    this.#link = link;
    this.#kv = kv;
    this.#stream = `KV_${bucket}`;
  }

  async get<T>(key: string): Promise<Entry<T> | undefined> {
    const entry = await this.#link.call(() => this.#kv.get(key));
    if (entry === null || entry.operation !== "PUT") return undefined;
    try {
      return { value: entry.json<T>(), revision: entry.revision };
    } catch {
      return undefined;
    }
  }

  /**
   * Writes a value in place of the given revision (0: none). Resolves with the new revision, or with undefined if the key has another one.
   * `isOurs` tells whether a value is the one that is written here: then an answer was lost, and the repetition is told of its own success.
   */
  async replace(
    key: string,
    value: object,
    revision: number,
    isOurs: (value: never) => boolean,
  ): Promise<number | undefined> {
    try {
      return await this.#link.call(() => this.#kv.put(key, JSON.stringify(value), { previousSeq: revision }));
    } catch (error) {
      const code = this.#link.codeOf(error);
      if (code === undefined || !WRONG_REVISION.includes(code)) throw this.#link.errorOf(error);
    }
    const entry = await this.get<never>(key);
    return entry !== undefined && isOurs(entry.value) ? entry.revision : undefined;
  }

  /** Changes a value, again and again if others change it meanwhile. Resolves with what was written. */
  async change<T extends object>(key: string, next: (value: T | undefined) => T): Promise<T> {
    for (;;) {
      const entry = await this.get<T>(key);
      const value = next(entry?.value);
      const ours = JSON.stringify(value);
      // A key that was deleted keeps a revision, which an update would have to name.
      if (entry === undefined) await this.forget(key);
      const isOurs = (other: never) => JSON.stringify(other) === ours;
      const written = await this.replace(key, value, entry?.revision ?? 0, isOurs);
      if (written !== undefined) return value;
    }
  }

  /** Deletes a key, and leaves no mark that it was there. */
  async forget(key: string): Promise<void> {
    const { manager } = this.#link;
    const bucket = this.#stream.slice(3);
    await this.#link.call(() => manager.streams.purge(this.#stream, { filter: `$KV.${bucket}.${key}` }));
  }

  /** Deletes one revision, which is the last one. */
  async forgetRevision(revision: number): Promise<void> {
    await this.#link.call(() => this.#link.manager.streams.deleteMessage(this.#stream, revision, false));
  }

  /** The keys that a filter means. The client's own listing hangs when a key is deleted meanwhile. */
  async keys(filter: string): Promise<string[]> {
    const begin = `$KV.${this.#stream.slice(3)}.`;
    const info = await this.#link.call(() =>
      this.#link.manager.streams.info(this.#stream, { subjects_filter: `${begin}${filter}` }),
    );
    return Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(begin.length));
  }
}
