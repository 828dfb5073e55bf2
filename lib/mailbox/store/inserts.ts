import type { Statements } from "./statements.js";
import { type MessageRow, State } from "./tables.js";

/*
 * Posts come in floods, and a call of SQLite costs more than the row. Messages that follow each other and differ only in their texts are
 * inserted by one statement: SQLite takes the texts from an array of JSON.
 */

/** Fewer messages are inserted one by one. */
const FEW = 4;
/** The most messages, and about the most characters, of one statement. */
const MOST = 1000;
const MOST_TEXT = 1024 * 1024;
/** What SQLite's JSON and a bound text do not make the same of: a zero, and halves of surrogate pairs. Whole pairs go one by one, too. */
const SPECIAL = /[\0\ud800-\udfff]/;

/** Inserts messages, in ascending order of their positions. */
export function insertRows(statements: Statements, rows: readonly MessageRow[]): void {
  for (let at = 0; at < rows.length; ) {
    const end = endOfRun(rows, at);
    if (end - at < FEW) for (const row of rows.slice(at, end)) insertRow(statements, row);
    else insertRun(statements, rows.slice(at, end));
    at = end;
  }
}

/** Returns where the messages end that one statement can insert. */
function endOfRun(rows: readonly MessageRow[], begin: number): number {
  const first = rows[begin]!;
  if (!isPlain(first) || SPECIAL.test(first.body)) return begin + 1;
  let text = first.body.length;
  let end = begin + 1;
  for (; end < rows.length && end - begin < MOST && text < MOST_TEXT; end++) {
    const row = rows[end]!;
    if (row.position !== first.position + end - begin || !isAlike(first, row) || SPECIAL.test(row.body))
      break;
    text += row.body.length;
  }
  return end;
}

/** Whether it has nothing but what all messages have. */
function isPlain({ id, key, expires, content, state, attempts }: MessageRow): boolean {
  return (
    id === null &&
    key === null &&
    expires === null &&
    content === null &&
    state === State.QUEUED &&
    attempts === 0
  );
}

function isAlike(one: MessageRow, other: MessageRow): boolean {
  return (
    one.box === other.box &&
    one.posted === other.posted &&
    one.rank === other.rank &&
    one.json === other.json &&
    one.pid === other.pid &&
    one.uid === other.uid &&
    one.sender === other.sender &&
    isPlain(other)
  );
}

function insertRun(statements: Statements, rows: readonly MessageRow[]): void {
  const { position, box, rank, sender, pid, uid, posted, json } = rows[0]!;
  const texts = JSON.stringify(rows.map(({ body }) => body));
  statements.insertRun.run(position, box, rank, sender, pid, uid, posted, json ? 1 : 0, texts);
}

function insertRow(statements: Statements, row: MessageRow): void {
  const { position, box, rank, id, key, sender, pid, uid, posted, expires, bytes, json, body } = row;
  const common = [position, box, rank, sender, pid, uid, posted, bytes, json ? 1 : 0, body];
  if (isPlain(row)) {
    statements.insertPlain.run(...common);
    return;
  }
  const { topic, content, state, attempts, due, token, holder, reason } = row;
  statements.insert.run(
    ...common,
    id,
    key,
    expires,
    topic,
    content,
    state,
    attempts,
    due,
    token,
    holder,
    reason,
  );
}
