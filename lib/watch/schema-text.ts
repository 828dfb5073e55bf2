import { bytes } from "../codec/bytes.js";
import type { Codec } from "../codec/codec.js";
import type { Field } from "../codec/field.js";
import * as fields from "../codec/fields.js";
import { type StructCodec, struct } from "../codec/struct.js";
import { text } from "../codec/text.js";
import { union } from "../codec/union.js";

/** The deepest nesting that is read: no schema of a sane program has more. */
const DEEPEST = 32;

type AnyField = Field<unknown>;

/**
 * Makes the codec of which this is the canonical text, such as `{ id: u32, price: f64 }`. Returns undefined if the text is none, or was cut
 * short. The caller compares fingerprints: they are equal only if the codec is the right one.
 */
export function codecOfSchema(schema: string): Codec<unknown> | undefined {
  try {
    const reader = new Reader(schema);
    const codec = reader.field(0) as unknown as Codec<unknown>;
    return reader.done && typeof codec.decode === "function" ? codec : undefined;
  } catch {
    return undefined;
  }
}

/** Reads canonical texts. Throws at what is none. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(schema: string) {
    this.#text = schema;
  }

  get done(): boolean {
    return this.#at === this.#text.length;
  }

  field(depth: number): AnyField {
    if (depth > DEEPEST) throw new Error("too deep");
    if (this.#text[this.#at] === "{") return this.#struct(depth) as unknown as AnyField;
    const name = this.#match(/[a-zA-Z0-9]+/y);
    switch (name) {
      case "text":
        return this.#sized(text as (length?: number) => unknown) as AnyField;
      case "bytes":
        return this.#sized(bytes as (length?: number) => unknown) as AnyField;
      case "array":
        return this.#array(depth);
      case "optional": {
        this.#eat("(");
        const of = this.field(depth + 1);
        this.#eat(")");
        return fields.optional(of);
      }
      case "oneOf":
        return this.#oneOf();
      case "union":
        return this.#union(depth) as unknown as AnyField;
      default:
        return this.#simple(name);
    }
  }

  #simple(name: string): AnyField {
    const { u8, u16, u32, u53, u64, i8, i16, i32, i53, i64, f32, f64, bool, block } = fields;
    const known: Record<string, unknown> = {
      u8,
      u16,
      u32,
      u53,
      u64,
      i8,
      i16,
      i32,
      i53,
      i64,
      f32,
      f64,
      bool,
      block,
    };
    if (!Object.hasOwn(known, name)) throw new Error(`unknown type ${name}`);
    return known[name] as AnyField;
  }

  /** `text`, `text()` or `text(8)`. */
  #sized(make: (length?: number) => unknown): unknown {
    if (!this.#accepts("(")) return make();
    if (this.#accepts(")")) return make();
    const length = Number(this.#match(/[0-9]+/y));
    this.#eat(")");
    return make(length);
  }

  #array(depth: number): AnyField {
    this.#eat("(");
    const of = this.field(depth + 1);
    const length = this.#accepts(", ") ? Number(this.#match(/[0-9]+/y)) : undefined;
    this.#eat(")");
    return fields.array(of, length);
  }

  #oneOf(): AnyField {
    this.#eat("(");
    const values = [this.#string()];
    while (this.#accepts(", ")) values.push(this.#string());
    this.#eat(")");
    return fields.oneOf(...(values as [string, ...string[]]));
  }

  #struct(depth: number): StructCodec<object> {
    const members: Record<string, AnyField> = {};
    this.#eat("{");
    if (!this.#accepts("}")) {
      do {
        this.#accepts(" ");
        const key = this.#key();
        this.#eat(": ");
        members[key] = this.field(depth + 1);
      } while (this.#accepts(","));
      this.#eat(" }");
    }
    return struct(members) as unknown as StructCodec<object>;
  }

  #union(depth: number): unknown {
    const variants: Record<string, StructCodec<object>> = {};
    this.#eat("(");
    const tag = this.#key();
    this.#eat(": ");
    do {
      this.#accepts(" ");
      const name = this.#key();
      this.#eat(" ");
      variants[name] = this.#struct(depth + 1);
    } while (this.#accepts(" |"));
    this.#eat(")");
    return union(tag, variants as never);
  }

  #key(): string {
    return this.#text[this.#at] === '"' ? this.#string() : this.#match(/[^\s:"{}()|,]+/y);
  }

  #string(): string {
    return JSON.parse(this.#match(/"(?:[^"\\]|\\.)*"/y)) as string;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw new Error(`unexpected text at ${this.#at}`);
    this.#at += found.length;
    return found;
  }

  #accepts(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #eat(word: string): void {
    if (!this.#accepts(word)) throw new Error(`expected ${word} at ${this.#at}`);
  }
}
