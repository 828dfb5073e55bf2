// Puts a counter at the beginning of every function and every branch of JavaScript, for the fuzzer to see where an input went.
import { parseAst } from "vite";

/** Room for all counters of a target. */
const MOST_COUNTERS = 1 << 16;
/** Where instrumented code finds its counters. */
const GLOBAL = "__ringbellCounters";
const NAME = "__n";

/** The counters of one target. */
export class Counters {
  bytes = new Uint8Array(MOST_COUNTERS);
  /** 1 for a counter at the beginning of a function. */
  entries = new Uint8Array(MOST_COUNTERS);
  used = 0;

  add(isEntry) {
    if (this.used === MOST_COUNTERS) throw new Error(`more than ${MOST_COUNTERS} branches`);
    this.entries[this.used] = isEntry ? 1 : 0;
    return this.used++;
  }
}

/** Makes counters known to the code that is run from now on. */
export function install(counters) {
  globalThis[GLOBAL] = counters.bytes;
}

/** Returns the code of a module with counters. */
export function instrument(code, counters) {
  const edits = new Edits(code, counters);
  visit(parseAst(code), edits);
  return `const ${NAME} = globalThis.${GLOBAL};${edits.apply()}`;
}

/** Returns the body of a function with counters. */
export function instrumentBody(parameters, body, counters) {
  const head = `(function (${parameters.join(",")}) {`;
  const code = `${head}${body}\n})`;
  const edits = new Edits(code, counters);
  visit(parseAst(code), edits);
  return `const ${NAME} = globalThis.${GLOBAL};${edits.apply().slice(head.length, -"\n})".length)}`;
}

class Edits {
  #inserts = [];

  constructor(code, counters) {
    this.code = code;
    this.counters = counters;
  }

  /** Text to put in at a place. What is put in later at the same place stands nearer to what is there. */
  insert(at, text) {
    this.#inserts.push({ at, text, order: this.#inserts.length });
  }

  /** Counts before an expression. */
  expression({ start, end }) {
    this.insert(start, `(${NAME}[${this.counters.add(false)}]++, `);
    // In front of what ends here already: the inner one is closed first.
    this.#inserts.push({ at: end, text: ")", order: -this.#inserts.length });
  }

  /** Counts before a statement, which becomes a block if it is none. */
  statement(node) {
    if (node.type === "BlockStatement") {
      this.insert(node.start + 1, `${NAME}[${this.counters.add(false)}]++;`);
      return;
    }
    this.insert(node.start, `{${NAME}[${this.counters.add(false)}]++; `);
    this.#inserts.push({ at: node.end, text: "}", order: -this.#inserts.length });
  }

  entry(body) {
    const at = bodyStart(body);
    this.insert(at, `${NAME}[${this.counters.add(true)}]++;`);
  }

  apply() {
    const sorted = this.#inserts.sort((a, b) => a.at - b.at || a.order - b.order);
    let text = "";
    let done = 0;
    for (const { at, text: more } of sorted) {
      text += this.code.slice(done, at) + more;
      done = at;
    }
    return text + this.code.slice(done);
  }
}

/** Behind "use strict" and the like. */
function bodyStart({ start, body }) {
  const directives = body.filter(({ directive }) => directive !== undefined);
  return directives.length === 0 ? start + 1 : directives.at(-1).end;
}

function visit(node, edits) {
  switch (node.type) {
    case "FunctionDeclaration":
    case "FunctionExpression":
      edits.entry(node.body);
      break;
    case "ArrowFunctionExpression":
      if (node.body.type === "BlockStatement") edits.entry(node.body);
      else edits.expression(node.body);
      break;
    case "IfStatement":
      edits.statement(node.consequent);
      if (node.alternate) edits.statement(node.alternate);
      break;
    case "ConditionalExpression":
      edits.expression(node.consequent);
      edits.expression(node.alternate);
      break;
    case "LogicalExpression":
      edits.expression(node.right);
      break;
    case "SwitchCase":
      edits.insert(caseStart(node, edits.code), `${NAME}[${edits.counters.add(false)}]++;`);
      break;
    case "ForStatement":
    case "ForInStatement":
    case "ForOfStatement":
    case "WhileStatement":
    case "DoWhileStatement":
      edits.statement(node.body);
      break;
    case "CatchClause":
      edits.statement(node.body);
      break;
  }
  for (const child of Object.values(node)) {
    if (Array.isArray(child)) for (const one of child) if (one?.type !== undefined) visit(one, edits);
    if (child?.type !== undefined && typeof child.type === "string") visit(child, edits);
  }
}

/** Behind the colon. */
function caseStart({ start, test, consequent }, code) {
  const from = test === null ? start + "default".length : test.end;
  const colon = code.indexOf(":", from) + 1;
  return consequent.length > 0 ? Math.min(colon, consequent[0].start) : colon;
}
