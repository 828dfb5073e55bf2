import { isBytes } from "./bytes.js";
import { noRoom } from "./codec.js";
import { alignUp, type RootShape, type Shape, type StructShape, type UnionShape } from "./field.js";

/*
 * How many bytes a message of a struct or union takes, found out only when it did not fit. What is no value of its field counts nothing: encoding will
 * come to it.
 */

/** Where the tail ends behind a value if it begins at `tail`, both counted from the beginning of the message. */
type Measure = (value: unknown, tail: number) => number;

/** Past this nobody has the room; and a sparse array may have more elements than can be looked at. */
export const LONGEST = 2 ** 31;

/** Makes the function whose result the encoder of a struct or union returns for a message that does not fit. */
export function noRoomOf(shape: RootShape): (message: unknown) => number {
  const { size } = shape;
  if (!shape.variable) return () => noRoom(size);
  const measure = measureOf(shape);
  return (message) => noRoom(measure(message, size));
}

function measureOf(shape: Shape): Measure {
  if (!shape.variable) return (_value, tail) => tail;
  switch (shape.kind) {
    case "text":
      return (value, tail) => (typeof value === "string" ? tail + Buffer.byteLength(value) : tail);
    case "bytes":
      return (value, tail) => (isBytes(value) ? tail + value.length : tail);
    case "optional":
      return measureOf(shape.of);
    case "array": {
      const { of, length } = shape;
      const measure = measureOf(of);
      return (value, tail) => {
        if (!Array.isArray(value)) return tail;
        let end = tail;
        if (length === undefined) end = alignUp(tail, of.align) + value.length * of.size;
        if (of.variable) for (let i = 0; i < value.length && end < LONGEST; i++) end = measure(value[i], end);
        return end;
      };
    }
    case "struct":
      return measureOfStruct(shape);
    case "union":
      return measureOfUnion(shape);
    default:
      return (_value, tail) => tail;
  }
}

function measureOfStruct(shape: StructShape): Measure {
  const members = shape.members.filter((member) => member.shape.variable);
  const names = members.map((member) => member.name);
  const measures = members.map((member) => measureOf(member.shape));
  return (value, tail) => {
    if (typeof value !== "object" || value === null) return tail;
    const source = value as Readonly<Record<string, unknown>>;
    return measures.reduce((end, measure, i) => measure(source[names[i]!], end), tail);
  };
}

function measureOfUnion({ tag, variants }: UnionShape): Measure {
  const measures = new Map<unknown, Measure>(
    variants.map(({ name, shape }) => {
      const measure = measureOf(shape);
      return [name, (value, tail) => measure(value, alignUp(tail, shape.align) + shape.size)];
    }),
  );
  return (value, tail) => {
    if (typeof value !== "object" || value === null) return tail;
    const measure = measures.get((value as Readonly<Record<string, unknown>>)[tag]);
    return measure === undefined ? tail : measure(value, tail);
  };
}
