import { Code, show } from "./code.js";
import type { RootShape, Shape, StructShape } from "./field.js";
import { checkNumber, clearGap, putNumber, START } from "./generate-encoder.js";
import { GONE, type Inline, type InlineEncode, NOT_INLINE } from "./inline.js";
import { readsOnce } from "./reads-once.js";
import { encodeErrorOf } from "./refusal.js";

/** The longest message, in bytes: beyond this the fields take so long that a copy does not matter. */
const LONGEST = 256;

/** Returns what can be done with messages of a shape, if they are short and all of the same length. `generated`: code may be generated. */
export function inlineOfShape(shape: RootShape, generated: boolean): Inline | undefined {
  if (shape.kind !== "struct" || shape.variable || shape.size === 0 || shape.size > LONGEST) return undefined;
  const encode = generated ? generateInlineEncoder(shape) : undefined;
  return { bytes: shape.size, encode, decodes: readsOnce(shape) };
}

/**
 * Generates an encoder that reads and checks all fields before it claims room for them: no code of the program runs between the claim and
 * the publication. Returns undefined for a shape with other fields than numbers, booleans and enums.
 */
function generateInlineEncoder({ members, gaps, size }: StructShape): InlineEncode | undefined {
  const code = new Code(`return ${NOT_INLINE};`);
  const puts: (() => void)[] = [];
  code.line("try {");
  code.fail('typeof message !== "object" || message === null');
  for (const { name, shape, offset } of members) {
    // Not const: it is used behind the block.
    const field = code.name();
    code.line(`var ${field} = message[${JSON.stringify(name)}];`);
    const put = checked(code, shape, field, offset);
    if (put === undefined) return undefined;
    puts.push(put);
  }
  code.line("} catch (thrown) { throw encodeErrorOf(thrown); }");
  code.line(`const claimed = out.claim(${size});`);
  code.line("let offset = claimed, { view } = out;");
  code.line("if (claimed < 0) { const { place } = out; offset = place.at; view = place.scratch.view; }");
  for (const put of puts) put();
  for (const [from, to] of gaps) clearGap(code, START, from, to, LONGEST);
  code.line(`if (claimed < 0) return ${size};`);
  code.line(`out.publish(claimed, ${size});`);
  code.line(`return ${GONE};`);
  return code.compile<InlineEncode>(["message", "out"], { encodeErrorOf });
}

/** Appends the check of a field, and returns what appends its stores; undefined for a field that is more than one value. */
function checked(code: Code, shape: Shape, v: string, at: number): (() => void) | undefined {
  const place = { ...START, at };
  switch (shape.kind) {
    case "number":
      checkNumber(code, shape.type, v);
      return () => putNumber(code, shape.type, v, place);
    case "bool":
      code.fail(`${v} !== true && ${v} !== false`);
      return () => code.line(`view.setUint8(${show(place)}, ${v} ? 1 : 0);`);
    case "enum": {
      const indexes = code.constant(new Map(shape.values.map((value, index) => [value, index])));
      const index = code.name();
      code.line(`var ${index} = ${indexes}.get(${v});`);
      code.fail(`${index} === undefined`);
      const store =
        shape.size === 1 ? `setUint8(${show(place)}, ${index})` : `setUint16(${show(place)}, ${index}, true)`;
      return () => code.line(`view.${store};`);
    }
    default:
      return undefined;
  }
}
