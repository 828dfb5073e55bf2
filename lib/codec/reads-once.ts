import type { Shape } from "./field.js";

/**
 * Whether the decoders of a shape read each byte of a message at most once before they give up on it, and check the value that they have
 * read and not the bytes. Then a message may be read where a peer could change it meanwhile: the program gets values that were checked. A
 * text is gone over more than once, and a view is read by the program itself.
 */
export function readsOnce(shape: Shape): boolean {
  switch (shape.kind) {
    case "number":
    case "bool":
    case "enum":
      return true;
    case "bytes":
      return shape.copy && shape.length !== undefined;
    case "optional":
      return readsOnce(shape.of);
    case "array":
      return shape.length !== undefined && readsOnce(shape.of);
    case "struct":
      return shape.members.every((member) => readsOnce(member.shape));
    case "text":
    case "block":
    case "union":
      return false;
  }
}
