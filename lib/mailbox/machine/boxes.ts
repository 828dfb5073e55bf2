import { InvalidArgumentError } from "../../errors.js";
import { MOST_BOXES, MOST_SUBSCRIPTIONS } from "../limits.js";
import type { BoxSettings } from "../message.js";
import { DEFAULT_SETTINGS } from "../settings.js";
import type { BoxRow, Tables } from "../store/tables.js";
import { matches } from "../topics.js";

export type Box = BoxRow;

/** The boxes in memory, with their counts, and what they subscribe to. A turn that changed some saves them, and one that failed reads all anew. */
export class Boxes {
  readonly #tables: Tables;
  readonly #defaults: Partial<BoxSettings>;
  readonly #byName = new Map<string, Box>();
  readonly #byId = new Map<number, Box>();
  readonly #changed = new Set<Box>();
  /** The rows as the table has them. */
  readonly #saved = new Map<Box, Box>();
  readonly #settings = new WeakMap<Box, BoxSettings>();
  #subscriptions: { readonly box: number; readonly pattern: string }[] = [];

  constructor(tables: Tables, defaults: Partial<BoxSettings>) {
    this.#tables = tables;
    this.#defaults = defaults;
    this.reload();
  }

  /** Forgets what a turn has changed, and reads what the tables have. */
  reload(): void {
    this.#byName.clear();
    this.#byId.clear();
    this.#changed.clear();
    this.#saved.clear();
    for (const box of this.#tables.boxes()) this.#add(box);
    this.#subscriptions = this.#tables.subscriptions();
  }

  all(): Iterable<Box> {
    return this.#byName.values();
  }

  find(name: string): Box | undefined {
    return this.#byName.get(name);
  }

  /** Returns the box, and makes it if it is not there: a name is all that a box needs. */
  named(name: string): Box {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    if (this.#byName.size >= MOST_BOXES) {
      throw new InvalidArgumentError(
        "box",
        `one of the ${MOST_BOXES} boxes that there are, the most that may be`,
        name,
      );
    }
    return this.#add(this.#tables.addBox(name));
  }

  withId(id: number): Box | undefined {
    return this.#byId.get(id);
  }

  /** Marks a box whose row differs from the table. */
  changed(box: Box): void {
    this.#changed.add(box);
  }

  /** Writes the rows of boxes that have changed. Where as much has come as has gone, nothing has. */
  save(): void {
    for (const box of this.#changed) {
      if (isSame(box, this.#saved.get(box)!)) continue;
      this.#tables.saveBox(box);
      this.#saved.set(box, { ...box });
    }
    this.#changed.clear();
  }

  settings(box: Box): BoxSettings {
    const known = this.#settings.get(box);
    if (known !== undefined) return known;
    const settings = { ...DEFAULT_SETTINGS, ...this.#defaults, ...box.settings };
    this.#settings.set(box, settings);
    return settings;
  }

  configure(box: Box, settings: Partial<BoxSettings>): BoxSettings {
    box.settings = { ...box.settings, ...settings };
    this.#settings.delete(box);
    this.changed(box);
    return this.settings(box);
  }

  drop(box: Box): void {
    this.#tables.dropBox(box.id);
    this.#byName.delete(box.name);
    this.#byId.delete(box.id);
    this.#changed.delete(box);
    this.#saved.delete(box);
    this.#subscriptions = this.#subscriptions.filter((one) => one.box !== box.id);
  }

  subscribe(box: Box, pattern: string): void {
    if (this.#has(box, pattern)) return;
    if (this.#subscriptions.length >= MOST_SUBSCRIPTIONS) {
      throw new InvalidArgumentError(
        "pattern",
        `one of the ${MOST_SUBSCRIPTIONS} subscriptions, the most that may be`,
        pattern,
      );
    }
    this.#tables.subscribe(box.id, pattern);
    this.#subscriptions.push({ box: box.id, pattern });
  }

  unsubscribe(box: Box, pattern: string): boolean {
    if (!this.#has(box, pattern)) return false;
    this.#tables.unsubscribe(box.id, pattern);
    this.#subscriptions = this.#subscriptions.filter((one) => one.box !== box.id || one.pattern !== pattern);
    return true;
  }

  patterns(box: Box): string[] {
    return this.#subscriptions.filter((one) => one.box === box.id).map(({ pattern }) => pattern);
  }

  /** Returns the boxes that subscribe to the topic, each once. */
  subscribed(topic: string): Box[] {
    const ids = new Set(
      this.#subscriptions.filter(({ pattern }) => matches(pattern, topic)).map(({ box }) => box),
    );
    return [...ids].map((id) => this.#byId.get(id)!);
  }

  #has(box: Box, pattern: string): boolean {
    return this.#subscriptions.some((one) => one.box === box.id && one.pattern === pattern);
  }

  #add(box: Box): Box {
    this.#byName.set(box.name, box);
    this.#byId.set(box.id, box);
    this.#saved.set(box, { ...box });
    return box;
  }
}

function isSame(one: Box, other: Box): boolean {
  return (
    one.queued === other.queued &&
    one.delayed === other.delayed &&
    one.claimed === other.claimed &&
    one.dead === other.dead &&
    one.bytes === other.bytes &&
    one.seen === other.seen &&
    one.refused === other.refused &&
    one.dropped === other.dropped &&
    one.settings === other.settings
  );
}
