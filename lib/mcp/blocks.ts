import { isBlock } from "../codec/is-block.js";
import { releaseBlocks } from "../codec/release-blocks.js";
import type { Block, Port } from "../port.js";
import { isObject, type Members, member } from "./message.js";

/*
 * An extension of MCP: bytes of a tool's result, or of a resource, go in a block of shared memory and not as base64. Each side announces
 * under `experimental` of its capabilities that it can read them. Content that carries bytes has them in its `_meta`, which the SDKs hand
 * on as it is. The transport of the sender puts a block in their place, or base64 in the place that MCP has for it.
 */

/** The name of the capability. */
const CAPABILITY = "ringbell/blocks";
/** The member of `_meta` that has the bytes: a Block on the way, and at the receiver. */
const BYTES = "ringbell/bytes";
/** The member of a request's `_meta` in which clients of the revision 2026-07-28 repeat their capabilities. */
const CLIENT_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
/** Fewer bytes than this go as base64 in any case: a block of its own would not pay. */
const FEWEST_BYTES = 4096;

export type BinaryContent =
  | { type: "image" | "audio"; data: string; mimeType: string; _meta: Record<string, unknown> }
  | {
      type: "resource";
      resource: { uri: string; blob: string; mimeType?: string; _meta: Record<string, unknown> };
    };

export interface BinaryOptions {
  /** Such as `image/png`. Images and sounds become content of these types; all else needs a `uri`. */
  readonly mimeType: string;
  /** The resource that the bytes are of. */
  readonly uri?: string | undefined;
}

/**
 * Makes content of bytes for the result of a tool. A block is taken over; of an array the bytes are copied when the result is sent. The
 * part `resource` of content with a `uri` is an item for the result of `resources/read`.
 */
export function binary(bytes: Uint8Array | Block, { mimeType, uri }: BinaryOptions): BinaryContent {
  const _meta = { [BYTES]: bytes };
  if (uri !== undefined) return { type: "resource", resource: { uri, blob: "", mimeType, _meta } };
  return { type: mimeType.startsWith("audio/") ? "audio" : "image", data: "", mimeType, _meta };
}

/**
 * Returns the bytes of content, or of an item of a resource, whichever way they came; undefined if it has none. Bytes that came in a block
 * are its own: release it by `blockOf(content)?.release()` once they are read, or else it is released when it is garbage-collected.
 */
export function bytesOf(content: object): Uint8Array | undefined {
  const block = blockOf(content);
  if (block !== undefined) return block.bytes;
  const { data, blob } = carrierOf(content) ?? {};
  const base64 = data ?? blob;
  return typeof base64 === "string" ? Buffer.from(base64, "base64") : undefined;
}

/** Returns the block in which the bytes of content came; undefined if they came as base64. */
export function blockOf(content: object): Block | undefined {
  const value = carried(carrierOf(content));
  return isBlock(value) ? value : undefined;
}

/** Looks after the blocks in the messages of one connection. */
export interface BlockCourier {
  /** Returns the message to send in place of one of the SDK. */
  pack(message: object): object;
  /** Looks at a message that has arrived. */
  unpack(message: unknown): void;
  /** Releases the blocks of a message that was not sent. */
  discard(message: object): void;
}

/** `announces`: whether this side can read blocks. */
export function courier(port: Port<unknown, unknown>, announces: boolean): BlockCourier {
  /** Whether the peer can read blocks. */
  let readable = false;
  return {
    pack(message) {
      const announced = announces ? announce(message) : message;
      const result = member(announced, "result");
      if (result === undefined) return announced;
      const packed = packResult(result, (bytes) => (readable ? blockFor(port, bytes) : undefined));
      return packed === result ? announced : { ...announced, result: packed };
    },
    unpack(message) {
      const capabilities = capabilitiesIn(message);
      if (capabilities !== undefined) readable = hasBlocks(capabilities);
    },
    discard: releaseBlocks,
  };
}

/** The object that has the bytes of content: itself, or its resource. */
function carrierOf(content: unknown): Members | undefined {
  if (!isObject(content)) return undefined;
  return member(content, "resource") ?? content;
}

function carried(carrier: Members | undefined): unknown {
  return member(carrier, "_meta")?.[BYTES];
}

/** Returns the capabilities that a client states in a request; undefined if it states none. */
function capabilitiesIn(message: unknown): Members | undefined {
  const params = member(message, "params");
  if (params === undefined) return undefined;
  const method = (message as Members).method;
  return method === "initialize"
    ? member(params, "capabilities")
    : member(member(params, "_meta"), CLIENT_CAPABILITIES);
}

function hasBlocks(capabilities: Members): boolean {
  return member(capabilities.experimental, CAPABILITY) !== undefined;
}

function withBlocks(capabilities: Members): Members {
  return { ...capabilities, experimental: { ...member(capabilities, "experimental"), [CAPABILITY]: {} } };
}

/** Adds the capability where a message states those of this side. */
function announce(message: object): object {
  const capabilities = capabilitiesIn(message);
  const { params, result } = message as { readonly params?: Members; readonly result?: Members };
  if (capabilities !== undefined) {
    const stated = withBlocks(capabilities);
    if ((message as Members).method === "initialize")
      return { ...message, params: { ...params, capabilities: stated } };
    const _meta = { ...member(params, "_meta"), [CLIENT_CAPABILITIES]: stated };
    return { ...message, params: { ...params, _meta } };
  }
  const ours = member(result, "capabilities");
  const opens = result?.protocolVersion !== undefined || result?.supportedVersions !== undefined;
  if (ours === undefined || !opens) return message;
  return { ...message, result: { ...result, capabilities: withBlocks(ours) } };
}

/** Returns a block with these bytes; undefined if there is no room for one now. */
function blockFor(port: Port<unknown, unknown>, bytes: Uint8Array | Block): Block | undefined {
  if (isBlock(bytes)) return bytes;
  if (bytes.byteLength < FEWEST_BYTES) return undefined;
  try {
    const block = port.tryAllocate(bytes.byteLength);
    block?.bytes.set(bytes);
    return block;
  } catch {
    return undefined;
  }
}

type Pack = (bytes: Uint8Array | Block) => Block | undefined;

function packResult(result: Members, pack: Pack): Members {
  const content = packItems(result.content, pack);
  const contents = packItems(result.contents, pack);
  if (content === result.content && contents === result.contents) return result;
  return {
    ...result,
    ...(content === undefined ? {} : { content }),
    ...(contents === undefined ? {} : { contents }),
  };
}

function packItems(items: unknown, pack: Pack): unknown {
  if (!Array.isArray(items) || !items.some((item) => isBytes(carried(carrierOf(item))))) return items;
  return items.map((item) => {
    const carrier = carrierOf(item);
    const bytes = carried(carrier);
    if (carrier === undefined || !isBytes(bytes)) return item;
    const packed = packCarrier(carrier, bytes, pack(bytes));
    return carrier === item ? packed : { ...item, resource: packed };
  });
}

function isBytes(value: unknown): value is Uint8Array | Block {
  return isBlock(value) || value instanceof Uint8Array;
}

function packCarrier(carrier: Members, bytes: Uint8Array | Block, block: Block | undefined): Members {
  const { [BYTES]: _, ...meta } = member(carrier, "_meta") ?? {};
  if (block !== undefined) return { ...carrier, _meta: { ...meta, [BYTES]: block } };
  const view = isBlock(bytes) ? bytes.bytes : bytes;
  const base64 = Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString("base64");
  if (isBlock(bytes)) bytes.release();
  const place = "blob" in carrier ? "blob" : "data";
  const { _meta: __, ...rest } = carrier;
  return { ...rest, [place]: base64, ...(Object.keys(meta).length > 0 ? { _meta: meta } : {}) };
}
