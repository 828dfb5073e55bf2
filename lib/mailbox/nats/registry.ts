import { now } from "../../clock.js";
import type { BoxSettings } from "../message.js";
import { DEFAULT_SETTINGS } from "../settings.js";
import { matches } from "../topics.js";
import {
  type BoxEntry,
  type Counts,
  countsIn,
  nameUnder,
  patternsIn,
  settingsIn,
  type Topics,
} from "./entries.js";
import type { Keys } from "./keys.js";
import { token } from "./names.js";

/** How long settings are taken as they were read, in ms. */
const FRESH = 1000;
/** The key of all subscriptions. Keys of boxes begin with `n-` or `h-`. */
const TOPICS = "topics";

/** What all processes have to know of boxes, in a bucket of keys: their names and settings, subscriptions, and what they have refused. */
export class Registry {
  readonly #keys: Keys;
  readonly #defaults: Partial<BoxSettings>;
  readonly #read = new Map<string, { readonly at: number; readonly entry: Promise<BoxEntry> }>();
  readonly #counting = new Map<string, { add: Counts; written: Promise<void> }>();

  constructor(keys: Keys, defaults: Partial<BoxSettings>) {
    this.#keys = keys;
    this.#defaults = defaults;
  }

  /** The settings of a box. Another process's change comes within a second. */
  async settings(name: string): Promise<BoxSettings> {
    const read = this.#read.get(name);
    const entry = read !== undefined && now() - read.at < FRESH ? read.entry : this.#reads(name);
    return { ...DEFAULT_SETTINGS, ...this.#defaults, ...(await entry).settings };
  }

  #reads(name: string): Promise<BoxEntry> {
    const entry = this.#keys.get(token(name)).then((found) => ({ name, settings: settingsIn(found?.value) }));
    this.#read.set(name, { at: now(), entry });
    entry.catch(() => this.#read.delete(name));
    return entry;
  }

  /** Notes that there is a box of this name. */
  async add(name: string): Promise<void> {
    await this.#change(name, {});
  }

  async configure(name: string, settings: Partial<BoxSettings>): Promise<BoxSettings> {
    await this.#change(name, settings);
    return this.settings(name);
  }

  async #change(name: string, more: Partial<BoxSettings>): Promise<void> {
    const next = (before: BoxEntry | undefined) => ({ name, settings: { ...settingsIn(before), ...more } });
    const entry = await this.#keys.change<BoxEntry>(token(name), next);
    this.#read.set(name, { at: now(), entry: Promise.resolve(entry) });
  }

  async has(name: string): Promise<boolean> {
    return (await this.#keys.get(token(name))) !== undefined;
  }

  async names(): Promise<string[]> {
    const keys = (await this.#keys.keys("*")).filter((key) => key !== TOPICS);
    const names = keys.map(async (key) => nameUnder(key, (await this.#keys.get(key))?.value));
    return (await Promise.all(names)).filter((name) => name !== undefined).sort();
  }

  async remove(name: string): Promise<void> {
    await this.#keys.change<Topics>(TOPICS, (topics) => ({
      patterns: patternsIn(topics).filter(([box]) => box !== name),
    }));
    await this.#keys.forget(`${token(name)}.counts`);
    await this.#keys.forget(token(name));
    this.#read.delete(name);
  }

  async subscribe(name: string, pattern: string): Promise<void> {
    await this.#keys.change<Topics>(TOPICS, (topics) => {
      const patterns = patternsIn(topics);
      const has = patterns.some(([box, one]) => box === name && one === pattern);
      return { patterns: has ? patterns : [...patterns, [name, pattern] as const] };
    });
  }

  async unsubscribe(name: string, pattern: string): Promise<boolean> {
    let had = false;
    await this.#keys.change<Topics>(TOPICS, (topics) => {
      const patterns = patternsIn(topics);
      const rest = patterns.filter(([box, one]) => box !== name || one !== pattern);
      had = rest.length < patterns.length;
      return { patterns: rest };
    });
    return had;
  }

  async patterns(name: string): Promise<string[]> {
    const topics = await this.#keys.get(TOPICS);
    return patternsIn(topics?.value)
      .filter(([box]) => box === name)
      .map(([, pattern]) => pattern);
  }

  /** The boxes that subscribe to a topic, each once. */
  async subscribed(topic: string): Promise<string[]> {
    const topics = await this.#keys.get(TOPICS);
    const found = patternsIn(topics?.value).filter(([, pattern]) => matches(pattern, topic));
    return [...new Set(found.map(([box]) => box))];
  }

  /** Adds to the counts of a box. What comes while a change is written goes with the next one. */
  count(name: string, { refused = 0, dropped = 0 }: Partial<Counts>): Promise<void> {
    const counting = this.#counting.get(name);
    if (counting !== undefined) {
      counting.add = { refused: counting.add.refused + refused, dropped: counting.add.dropped + dropped };
      return counting.written;
    }
    const begun = { add: { refused, dropped }, written: Promise.resolve() };
    this.#counting.set(name, begun);
    begun.written = this.#writeCounts(name, begun).finally(() => this.#counting.delete(name));
    begun.written.catch(() => {});
    return begun.written;
  }

  async #writeCounts(name: string, counting: { add: Counts }): Promise<void> {
    while (counting.add.refused + counting.add.dropped > 0) {
      const { refused, dropped } = counting.add;
      counting.add = { refused: 0, dropped: 0 };
      await this.#keys.change<Counts>(`${token(name)}.counts`, (before) => {
        const counts = countsIn(before);
        return { refused: counts.refused + refused, dropped: counts.dropped + dropped };
      });
    }
  }

  /** The counts of a box, those included that this process is about to write. */
  async counts(name: string): Promise<Counts> {
    await this.#counting.get(name)?.written.catch(() => {});
    return countsIn((await this.#keys.get(`${token(name)}.counts`))?.value);
  }
}
