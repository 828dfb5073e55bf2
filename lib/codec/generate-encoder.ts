import { Block } from "../bulk/block.js";
import { attachBlock } from "./blocks.js";
import { clear, isBytes, writeBytes } from "./bytes.js";
import { Code, type Encode, FEW_VARIANTS, numbers, type Place, plus, show } from "./code.js";
import { NO_ROOM } from "./codec.js";
import {
  type ArrayShape,
  alignUp,
  holdsBlocks,
  type NumberType,
  type RootShape,
  type Shape,
  type StructShape,
  type UnionShape,
} from "./field.js";
import { keepMade, type MakeRoom, putMade } from "./growth.js";
import { keptWith } from "./kept.js";
import { encodeErrorOf } from "./refusal.js";
import { writeText } from "./utf8.js";

/** Where each message begins. */
export const START: Place = { base: "offset", at: 0 };

/**
 * Generates the encoder of a struct or union. `makeRoom` is asked where there is none. The file is longer than others: it has one
 * function for each kind of field, and they call each other.
 */
export function generateEncoder(shape: RootShape, slow: Encode, makeRoom: MakeRoom): Encode {
  const outside = { slow, makeRoom, ...writing };
  if (shape.kind === "struct") {
    return encoderOf(shape, outside, (code) => writeShape(code, shape, "message", START));
  }
  if (shape.variants.length <= FEW_VARIANTS) {
    return encoderOf(shape, outside, (code) => writeUnion(code, shape, "message", START, shape.size));
  }
  // A function for each variant: V8 does not optimize one that is too long.
  const encoders = new Map(
    shape.variants.map(({ name }, i) => {
      const write = (code: Code) => writeVariant(code, shape, i, "message", START, shape.size);
      return [name, encoderOf(shape, outside, write)];
    }),
  );
  const code = codeOf(shape);
  putKept(code);
  code.line("try {");
  const tag = readTag(code, shape, "message");
  code.line(`const encode = encoders.get(${tag});`);
  code.fail("encode === undefined");
  code.line("return encode(message, scratch, offset, blocks);");
  code.line(CATCH);
  return code.compile<Encode>(PARAMETERS, { ...outside, encoders });
}

/** Ends the part that reads the message. */
const CATCH = "} catch (thrown) { throw encodeErrorOf(thrown); }";

const PARAMETERS = ["message", "scratch", "offset", "blocks"];

function codeOf(shape: RootShape): Code {
  // The closures begin anew, with an empty list of blocks.
  const reset = holdsBlocks(shape) ? "blocks.length = 0; " : "";
  const code = new Code(`{ ${reset}return slow(message, given, offset, blocks); }`);
  code.line("const given = scratch;");
  return code;
}

function encoderOf(
  shape: RootShape,
  outside: Readonly<Record<string, unknown>> & { readonly slow: Encode },
  write: (code: Code) => void,
): Encode {
  const code = codeOf(shape);
  if (shape.variable) {
    putKept(code);
    code.line("let { view, length: end } = scratch;");
    code.line(`let tail = offset + ${shape.size};`);
    needRoom(code, "tail", "offset");
    code.line("}");
  } else {
    code.line("const { view } = scratch;");
    code.line(`if (offset + ${shape.size} > scratch.length) return ${-Math.max(shape.size, 2)};`);
  }
  code.line("try {");
  write(code);
  code.line(CATCH);
  if (shape.variable) code.line("if (scratch !== given) return keepMade(scratch, offset, tail, blocks);");
  code.line(shape.variable ? "return tail - offset;" : `return ${shape.size};`);
  return code.isTooLong ? outside.slow : code.compile<Encode>(PARAMETERS, outside);
}

/** Appends what writes a message that an earlier call has made. */
function putKept(code: Code): void {
  code.line("const kept = keptWith(blocks);");
  code.line("if (kept !== undefined) return putMade(kept, scratch, offset, blocks);");
}

/** Begins what runs where there is no room up to `needed`, and makes it; what is written ends at `written`. */
function needRoom(code: Code, needed: string, written = "tail", condition = `${needed} > end`): void {
  code.line(`if (${condition}) {`);
  code.line(`const made = makeRoom(message, scratch, offset, ${written}, ${needed});`);
  code.line('if (typeof made === "number") return made;');
  code.line("scratch = made; view = made.view; end = made.length;");
}

/** Appends what makes room up to `needed`. */
function makeRoomFor(code: Code, needed: string): void {
  needRoom(code, needed);
  code.line("}");
}

/** The functions that the generated code calls. */
const writing = {
  attachBlock,
  byteLength: Buffer.byteLength,
  clear,
  encodeErrorOf,
  isArray: Array.isArray,
  isBlock: (value: unknown) => value instanceof Block,
  isBytes,
  keepMade,
  keptWith,
  putMade,
  writeBytes,
  writeText,
};

/** Appends what writes the value of the variable `v` into the slot at `place`. */
function writeShape(code: Code, shape: Shape, v: string, place: Place): void {
  const at = show(place);
  switch (shape.kind) {
    case "number":
      checkNumber(code, shape.type, v);
      putNumber(code, shape.type, v, place);
      break;
    case "bool":
      code.fail(`${v} !== true && ${v} !== false`);
      code.line(`view.setUint8(${at}, ${v} ? 1 : 0);`);
      break;
    case "enum": {
      const indexes = code.constant(new Map(shape.values.map((value, index) => [value, index])));
      const index = code.name();
      code.line(`const ${index} = ${indexes}.get(${v});`);
      code.fail(`${index} === undefined`);
      code.line(
        shape.size === 1 ? `view.setUint8(${at}, ${index});` : `view.setUint16(${at}, ${index}, true);`,
      );
      break;
    }
    case "text": {
      code.fail(`typeof ${v} !== "string"`);
      const count = code.name();
      if (shape.length === undefined) {
        const write = `writeText(${v}, scratch, tail, end)`;
        code.line(`let ${count} = ${write};`);
        needRoom(code, `tail + byteLength(${v})`, "tail", `${count} === ${NO_ROOM}`);
        code.line(`${count} = ${write}; }`);
        code.fail(`${count} < 0`);
        code.line(`view.setUint32(${at}, ${count}, true); tail += ${count};`);
      } else {
        const to = show(plus(place, shape.length));
        code.line(`const ${count} = writeText(${v}, scratch, ${at}, ${to});`);
        code.fail(`${count} < 0 || ${v}.includes("\\0")`);
        code.line(`clear(scratch, ${at} + ${count}, ${to});`);
      }
      break;
    }
    case "bytes":
      code.fail(`!isBytes(${v})`);
      if (shape.length === undefined) {
        const count = code.name();
        const write = `writeBytes(${v}, scratch, tail, end)`;
        code.line(`let ${count} = ${write};`);
        needRoom(code, `tail + ${v}.length`, "tail", `${count} === ${NO_ROOM}`);
        code.line(`${count} = ${write}; }`);
        code.line(`view.setUint32(${at}, ${count}, true); tail += ${count};`);
      } else {
        code.fail(`${v}.length !== ${shape.length}`);
        code.line(`writeBytes(${v}, scratch, ${at}, ${show(plus(place, shape.length))});`);
      }
      break;
    case "block":
      code.fail(`!isBlock(${v})`);
      code.line(`view.setUint32(${at}, attachBlock(blocks, ${v}), true);`);
      break;
    case "optional":
      code.line(`if (${v} === undefined) {`);
      clearGap(code, place, 0, shape.size);
      code.line("} else {");
      code.line(`view.setUint8(${at}, 1);`);
      clearGap(code, place, 1, shape.offset);
      writeShape(code, shape.of, v, plus(place, shape.offset));
      code.line("}");
      break;
    case "array":
      writeArray(code, shape, v, place);
      break;
    case "struct":
      code.fail(`typeof ${v} !== "object" || ${v} === null`);
      writeMembers(code, shape, v, place);
      break;
    case "union":
      writeUnion(code, shape, v, place, undefined);
      break;
  }
}

function writeMembers(code: Code, shape: StructShape, v: string, place: Place): void {
  // All numbers are read and checked before the first is put: 13 ns for five fields instead of 16.
  const puts: (() => void)[] = [];
  for (const member of shape.members) {
    const field = code.name();
    code.line(`const ${field} = ${v}[${JSON.stringify(member.name)}];`);
    puts.push(writerOf(code, member.shape, field, plus(place, member.offset)));
  }
  for (const put of puts) put();
  for (const [from, to] of shape.gaps) clearGap(code, place, from, to);
}

/** `tailAt`: where the tail begins, counted from the beginning of the message, if that is known here. */
function writeUnion(
  code: Code,
  shape: UnionShape,
  v: string,
  place: Place,
  tailAt: number | undefined,
): void {
  const { variants } = shape;
  const tag = readTag(code, shape, v);
  if (variants.length <= FEW_VARIANTS) {
    for (const [i, { name }] of variants.entries()) {
      code.line(`${i === 0 ? "" : "} else "}if (${tag} === ${JSON.stringify(name)}) {`);
      writeVariant(code, shape, i, v, place, tailAt);
    }
    code.line("} else {");
    code.fail("true");
    code.line("}");
    return;
  }
  const indexes = code.constant(new Map(variants.map(({ name }, index) => [name, index])));
  code.line(`switch (${indexes}.get(${tag})) {`);
  for (const i of variants.keys()) {
    code.line(`case ${i}: {`);
    writeVariant(code, shape, i, v, place, tailAt);
    code.line("break; }");
  }
  code.line("default:");
  code.fail("true");
  code.line("}");
}

function readTag(code: Code, union: UnionShape, v: string): string {
  code.fail(`typeof ${v} !== "object" || ${v} === null`);
  const tag = code.name();
  code.line(`const ${tag} = ${v}[${JSON.stringify(union.tag)}];`);
  return tag;
}

function writeVariant(
  code: Code,
  union: UnionShape,
  index: number,
  v: string,
  place: Place,
  tailAt: number | undefined,
): void {
  const { shape } = union.variants[index]!;
  const tag =
    union.size === 1 ? `setUint8(${show(place)}, ${index})` : `setUint16(${show(place)}, ${index}, true)`;
  let start: Place;
  if (tailAt === undefined) {
    start = { base: code.name(), at: 0 };
    const gap = shape.align === 1 ? "" : ` + ((offset - tail) & ${shape.align - 1})`;
    code.line(`const ${start.base} = tail${gap};`);
    makeRoomFor(code, `${start.base} + ${shape.size}`);
    code.line(`view.${tag};`);
    if (shape.align !== 1) code.line(`clear(scratch, tail, ${start.base});`);
  } else {
    start = { base: "offset", at: alignUp(tailAt, shape.align) };
    makeRoomFor(code, show(plus(start, shape.size)));
    code.line(`view.${tag};`);
    clearGap(code, { base: "offset", at: 0 }, tailAt, start.at);
  }
  code.line(`tail = ${show(plus(start, shape.size))};`);
  writeMembers(code, shape, v, start);
}

/** Appends the check of a number, and returns what appends the rest; for other shapes, that is all of it. */
function writerOf(code: Code, shape: Shape, v: string, place: Place): () => void {
  if (shape.kind !== "number") return () => writeShape(code, shape, v, place);
  checkNumber(code, shape.type, v);
  return () => putNumber(code, shape.type, v, place);
}

export function checkNumber(code: Code, type: NumberType, v: string): void {
  if (type === "u53") code.fail(`!Number.isSafeInteger(${v}) || ${v} < 0`);
  else if (type === "i53") code.fail(`!Number.isSafeInteger(${v})`);
  else code.fail(numbers[type].unfit(v));
}

export function putNumber(code: Code, type: NumberType, v: string, place: Place): void {
  if (type === "u53" || type === "i53") {
    code.line(`view.setUint32(${show(place)}, ${v} >>> 0, true);`);
    code.line(`view.setInt32(${show(plus(place, 4))}, Math.floor(${v} / 4294967296), true);`);
  } else {
    code.line(`view.${numbers[type].set}(${show(place)}, ${v}, true);`);
  }
}

function writeArray(code: Code, shape: ArrayShape, v: string, place: Place): void {
  const { size, align } = shape.of;
  const [count, slot, i, element] = [code.name(), code.name(), code.name(), code.name()];
  code.fail(`!isArray(${v})`);
  code.line(`const ${count} = ${v}.length;`);
  if (shape.length === undefined) {
    const start = code.name();
    code.line(`const ${start} = tail${align === 1 ? "" : ` + ((offset - tail) & ${align - 1})`};`);
    makeRoomFor(code, `${start} + ${count} * ${size}`);
    if (align !== 1) code.line(`clear(scratch, tail, ${start});`);
    code.line(`view.setUint32(${show(place)}, ${count}, true);`);
    code.line(`tail = ${start} + ${count} * ${size};`);
    code.line(`let ${slot} = ${start};`);
  } else {
    code.fail(`${count} !== ${shape.length}`);
    code.line(`let ${slot} = ${show(place)};`);
  }
  code.line(`for (let ${i} = 0; ${i} < ${count}; ${i}++, ${slot} += ${size}) {`);
  code.line(`const ${element} = ${v}[${i}];`);
  writeShape(code, shape.of, element, { base: slot, at: 0 });
  code.line("}");
}

/** Writes zeros where no member is, so that nothing of an earlier message goes out. */
export function clearGap(code: Code, place: Place, from: number, to: number, longest = 16): void {
  if (to - from > longest) {
    code.line(`clear(scratch, ${show(plus(place, from))}, ${show(plus(place, to))});`);
    return;
  }
  while (from < to) {
    const step = to - from >= 4 ? 4 : to - from >= 2 ? 2 : 1;
    const rest = step === 1 ? "0" : "0, true";
    code.line(`view.setUint${step * 8}(${show(plus(place, from))}, ${rest});`);
    from += step;
  }
}
