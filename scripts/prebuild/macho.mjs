// Reads what the checks need from a Mach-O file of one architecture: 64 bits, little endian.

const MAGIC = 0xfeedfacf;
/** cputype. @type {Readonly<Record<number, string>>} */
const MACHINES = { 16777223: "x64", 16777228: "arm64" };
const COMMAND = {
  symbols: 0x2,
  oldestMacos: 0x24,
  build: 0x32,
  bindings: 0x22,
  bindingsOnly: 0x80000022,
  exportsTrie: 0x80000033,
};
const HEADER_BYTES = 32;
const SYMBOL_BYTES = 16;
const TYPE = 0x0e;
const EXTERNAL = 0x01;
const DEBUGGING = 0xe0;

/**
 * Throws an Error if the bytes are something else.
 *
 * @param {Buffer} bytes
 */
export function readMachO(bytes) {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC)
    throw new Error("expected a Mach-O file of 64 bits, of one architecture");
  const machine = bytes.readUInt32LE(4);
  /** @type {{ arch: string, minimum: string | undefined, exports: string[], imports: string[] }} */
  const facts = {
    arch: MACHINES[machine] ?? `cputype ${machine}`,
    minimum: undefined,
    exports: [],
    imports: [],
  };
  let at = HEADER_BYTES;
  for (let count = bytes.readUInt32LE(16); count > 0; count--) {
    const command = bytes.readUInt32LE(at);
    const word = (/** @type {number} */ index) => bytes.readUInt32LE(at + 4 * index);
    if (command === COMMAND.build) facts.minimum = version(word(3));
    else if (command === COMMAND.oldestMacos) facts.minimum = version(word(2));
    else if (command === COMMAND.symbols) facts.imports = importsOf(bytes, word(2), word(3), word(4));
    else if (command === COMMAND.bindings || command === COMMAND.bindingsOnly)
      facts.exports = exportsOf(bytes, word(10), word(11));
    else if (command === COMMAND.exportsTrie) facts.exports = exportsOf(bytes, word(2), word(3));
    at += word(1);
  }
  return facts;
}

/** @param {number} packed xxxx.yy.zz */
function version(packed) {
  const patch = packed & 0xff;
  return `${packed >>> 16}.${(packed >>> 8) & 0xff}${patch === 0 ? "" : `.${patch}`}`;
}

/** The undefined symbols of the symbol table. @param {Buffer} bytes @param {number} at @param {number} count @param {number} strings */
function importsOf(bytes, at, count, strings) {
  /** @type {string[]} */
  const names = [];
  for (let index = 0; index < count; index++) {
    const symbol = at + index * SYMBOL_BYTES;
    const kind = /** @type {number} */ (bytes[symbol + 4]);
    if ((kind & DEBUGGING) !== 0 || (kind & TYPE) !== 0 || (kind & EXTERNAL) === 0) continue;
    names.push(text(bytes, strings + bytes.readUInt32LE(symbol)));
  }
  return names;
}

/** The names in the trie by which dyld finds exports. @param {Buffer} bytes @param {number} start @param {number} size */
function exportsOf(bytes, start, size) {
  /** @type {string[]} */
  const names = [];
  if (size === 0) return names;
  /** @type {[node: number, name: string][]} */
  const waiting = [[0, ""]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [node, name] = next;
    if (node >= size) throw new Error(`expected a node of the export trie below ${size}, got ${node}`);
    const payload = uleb(bytes, start + node);
    if (payload.value > 0) names.push(name);
    let at = payload.next + payload.value;
    for (let children = /** @type {number} */ (bytes[at++]); children > 0; children--) {
      const edge = text(bytes, at);
      const child = uleb(bytes, at + edge.length + 1);
      waiting.push([child.value, name + edge]);
      at = child.next;
    }
  }
  return names;
}

/** A number of seven bits a byte. @param {Buffer} bytes @param {number} at */
function uleb(bytes, at) {
  let value = 0;
  let scale = 1;
  let next = at;
  for (;;) {
    const byte = /** @type {number} */ (bytes[next++]);
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, next };
    scale *= 0x80;
  }
}

/** @param {Buffer} bytes @param {number} at */
function text(bytes, at) {
  return bytes.toString("latin1", at, bytes.indexOf(0, at));
}
