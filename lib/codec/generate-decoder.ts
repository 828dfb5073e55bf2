import { putBack, takeBlock } from "./blocks.js";
import { copyBytes, viewBytes } from "./bytes.js";
import { Code, type Decode, FEW_VARIANTS, numbers, type Place, plus, show } from "./code.js";
import {
  type ArrayShape,
  holdsBlocks,
  type RootShape,
  type Shape,
  type StructShape,
  type UnionShape,
  type Variant,
} from "./field.js";
import { textEnd } from "./readers.js";
import { readText } from "./utf8.js";

/** Generates the decoder of a struct or union. */
export function generateDecoder(shape: RootShape, slow: Decode): Decode {
  const outside = { slow, ...reading };
  const start = { base: "offset", at: 0 };
  if (shape.kind === "struct" || shape.variants.length <= FEW_VARIANTS) {
    return decoderOf(shape, outside, (code) => readShape(code, shape, start));
  }
  // A function for each variant: V8 does not optimize one that is too long.
  const decoders = shape.variants.map((variant) =>
    decoderOf(shape, outside, (code) => readVariant(code, shape, variant)),
  );
  const code = new Code("return slow(scratch, offset, bytes, blocks);");
  code.fail(`bytes < ${shape.size}`);
  code.line("const view = scratch.view;");
  code.line(`const decode = decoders[${tagAt(shape, start)}];`);
  code.fail("decode === undefined");
  code.line("return decode(scratch, offset, bytes, blocks);");
  return code.compile<Decode>(PARAMETERS, { ...outside, decoders });
}

const PARAMETERS = ["scratch", "offset", "bytes", "blocks"];

/** `read` appends what reads the message, and returns the expression of it. */
function decoderOf(
  shape: RootShape,
  outside: Readonly<Record<string, unknown>> & { readonly slow: Decode },
  read: (code: Code) => string,
): Decode {
  const blocks = holdsBlocks(shape);
  // The closures begin anew, with all blocks on the list again.
  const code = new Code(
    `{ ${blocks ? "putBack(blocks, before); " : ""}return slow(scratch, offset, bytes, blocks); }`,
  );
  if (blocks) code.line("const before = blocks.slice();");
  code.fail(shape.variable ? `bytes < ${shape.size}` : `bytes !== ${shape.size}`);
  code.line("const view = scratch.view;");
  if (shape.variable) code.line(`const end = offset + bytes; let tail = offset + ${shape.size};`);
  const message = read(code);
  if (shape.variable) {
    code.line(`const message = ${message};`);
    code.fail("tail !== end");
    code.line("return message;");
  } else {
    code.line(`return ${message};`);
  }
  return code.isTooLong ? outside.slow : code.compile<Decode>(PARAMETERS, outside);
}

/** The functions that the generated code calls. */
const reading = { copyBytes, putBack, readText, takeBlock, textEnd, viewBytes };

/** Appends what reads the slot at `place`, and returns the expression of the value. Expressions have no side effects. */
function readShape(code: Code, shape: Shape, place: Place): string {
  const at = show(place);
  switch (shape.kind) {
    case "number": {
      if (shape.type !== "u53" && shape.type !== "i53") return `view.${numbers[shape.type].get}(${at}, true)`;
      const value = code.name();
      const high = `view.${shape.type === "u53" ? "getUint32" : "getInt32"}(${show(plus(place, 4))}, true)`;
      code.line(`const ${value} = ${high} * 4294967296 + view.getUint32(${at}, true);`);
      code.fail(`!Number.isSafeInteger(${value})`);
      return value;
    }
    case "bool": {
      const value = code.name();
      code.line(`const ${value} = view.getUint8(${at});`);
      code.fail(`${value} > 1`);
      return `${value} === 1`;
    }
    case "enum": {
      const index = code.name();
      code.line(
        `const ${index} = ${shape.size === 1 ? `view.getUint8(${at})` : `view.getUint16(${at}, true)`};`,
      );
      code.fail(`${index} >= ${shape.values.length}`);
      return `${code.constant(shape.values)}[${index}]`;
    }
    case "text": {
      const value = code.name();
      if (shape.length === undefined) {
        const start = takeFromTail(code, at);
        code.line(`const ${value} = readText(scratch, ${start}, tail);`);
      } else {
        const to = show(plus(place, shape.length));
        code.line(`const ${value} = readText(scratch, ${at}, textEnd(scratch, ${at}, ${to}));`);
      }
      code.fail(`${value} === undefined`);
      return value;
    }
    case "bytes": {
      const take = shape.copy ? "copyBytes" : "viewBytes";
      if (shape.length !== undefined) return `${take}(scratch, ${at}, ${show(plus(place, shape.length))})`;
      const value = code.name();
      const start = takeFromTail(code, at);
      code.line(`const ${value} = ${take}(scratch, ${start}, tail);`);
      return value;
    }
    case "block": {
      const value = code.name();
      code.line(`const ${value} = takeBlock(blocks, view.getUint32(${at}, true));`);
      code.fail(`${value} === undefined`);
      return value;
    }
    case "optional": {
      const [value, there] = [code.name(), code.name()];
      code.line(`const ${there} = view.getUint8(${at});`);
      code.fail(`${there} > 1`);
      code.line(`let ${value};`);
      code.line(`if (${there} === 1) {`);
      const of = readShape(code, shape.of, plus(place, shape.offset));
      code.line(`${value} = ${of};`);
      code.line("}");
      return value;
    }
    case "array":
      return readArray(code, shape, place);
    case "struct":
      return `{ ${readMembers(code, shape, place).join(", ")} }`;
    case "union":
      return readUnion(code, shape, place);
  }
}

/** The properties of the object, as they stand in a literal. */
function readMembers(code: Code, shape: StructShape, place: Place): string[] {
  return shape.members.map(
    ({ name, shape, offset }) => `${JSON.stringify(name)}: ${readShape(code, shape, plus(place, offset))}`,
  );
}

function readUnion(code: Code, union: UnionShape, place: Place): string {
  const value = code.name();
  code.line(`let ${value};`);
  code.line(`switch (${tagAt(union, place)}) {`);
  for (const [i, variant] of union.variants.entries()) {
    code.line(`case ${i}: {`);
    code.line(`${value} = ${readVariant(code, union, variant)};`);
    code.line("break; }");
  }
  code.line("default:");
  code.fail("true");
  code.line("}");
  return value;
}

function tagAt(union: UnionShape, place: Place): string {
  return union.size === 1 ? `view.getUint8(${show(place)})` : `view.getUint16(${show(place)}, true)`;
}

/** Appends what takes the variant's struct from the tail, and returns the expression of the object. */
function readVariant(code: Code, union: UnionShape, { name, shape }: Variant): string {
  const start = code.name();
  const gap = shape.align === 1 ? "" : ` + ((offset - tail) & ${shape.align - 1})`;
  code.line(`const ${start} = tail${gap};`);
  code.fail(`${start} + ${shape.size} > end`);
  code.line(`tail = ${start} + ${shape.size};`);
  const tag = `${JSON.stringify(union.tag)}: ${JSON.stringify(name)}`;
  return `{ ${[tag, ...readMembers(code, shape, { base: start, at: 0 })].join(", ")} }`;
}

/** Takes as many bytes from the tail as the word at `at` says; returns where they start, `tail` being where they end. */
function takeFromTail(code: Code, at: string): string {
  const [count, start] = [code.name(), code.name()];
  code.line(`const ${count} = view.getUint32(${at}, true);`);
  code.fail(`${count} > end - tail`);
  code.line(`const ${start} = tail; tail += ${count};`);
  return start;
}

function readArray(code: Code, shape: ArrayShape, place: Place): string {
  const { size, align } = shape.of;
  const [values, count, slot, i] = [code.name(), code.name(), code.name(), code.name()];
  if (shape.length === undefined) {
    code.line(`const ${count} = view.getUint32(${show(place)}, true);`);
    if (align !== 1) code.line(`tail += (offset - tail) & ${align - 1};`);
    code.fail(`tail > end || ${count} * ${size} > end - tail`);
    code.line(`let ${slot} = tail; tail += ${count} * ${size};`);
  } else {
    code.line(`const ${count} = ${shape.length}; let ${slot} = ${show(place)};`);
  }
  code.line(`const ${values} = new Array(${count});`);
  code.line(`for (let ${i} = 0; ${i} < ${count}; ${i}++, ${slot} += ${size}) {`);
  const element = readShape(code, shape.of, { base: slot, at: 0 });
  code.line(`${values}[${i}] = ${element};`);
  code.line("}");
  return values;
}
