import { jsonOf } from "./frames.js";

/** The values of a session that stand beside its events, by name. Each is a copy, as JSON carries it. */
export class Retained {
  readonly #values = new Map<string, { readonly value: unknown }>();

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Undefined if there is none. */
  get(name: string): unknown {
    return this.#values.get(name)?.value;
  }

  /** Keeps a value, or takes it away where it is undefined. Returns its JSON. Throws an EncodeError for one without. */
  set(name: string, value: unknown): string | undefined {
    const text = value === undefined ? undefined : jsonOf(value);
    if (text === undefined) this.#values.delete(name);
    else this.restore(name, text);
    return text;
  }

  /** Keeps a value, of which the JSON is given. */
  restore(name: string, text: string): void {
    this.#values.set(name, { value: JSON.parse(text) });
  }

  all(): Readonly<Record<string, unknown>> {
    return Object.fromEntries([...this.#values].map(([name, { value }]) => [name, value]));
  }
}
