import type { Driver } from "../../store/sqlite-driver.js";
import type { BoxRow, NewMessage, Tables } from "./tables.js";

type Row = Omit<NewMessage, "json"> & { readonly json: number; readonly name: string };

const READ = (order: "asc" | "desc") =>
  "select m.position, m.box, box.name as name, rank, m.id as id, key, sender, pid, uid, posted, expires, m.bytes as bytes, json, " +
  "coalesce(content.body, m.body) as body, topic from message m join box on box.id = m.box " +
  `left join content on content.id = m.content where state <> 3 order by m.position ${order}`;

/**
 * Copies what can be read of a damaged file into new tables: the messages that were not given up. It reads from both ends up to what can't
 * be read. Returns how many there were.
 */
export function salvage(path: string, driver: Driver, tables: Tables): number {
  const rows = new Map<number, Row>();
  for (const order of ["asc", "desc"] as const) {
    try {
      const database = driver.open(path, true);
      try {
        const statement = database.prepare(READ(order)) as unknown as { iterate(): Iterable<Row> };
        for (const row of statement.iterate()) rows.set(row.position, row);
      } finally {
        database.close();
      }
    } catch {
      // The rest can't be read from this end.
    }
  }
  if (rows.size > 0)
    store(
      [...rows.values()].sort((a, b) => a.position - b.position),
      tables,
    );
  return rows.size;
}

function store(rows: readonly Row[], tables: Tables): void {
  tables.begin();
  const boxes = new Map<string, BoxRow>();
  for (const { name, json, ...row } of rows) {
    const box = boxes.get(name) ?? tables.addBox(name);
    boxes.set(name, box);
    tables.insert({ ...row, box: box.id, json: json === 1, content: null }, null);
    box.queued++;
    box.bytes += row.bytes;
  }
  for (const box of boxes.values()) tables.saveBox(box);
  tables.setNumber("reserved", rows.at(-1)!.position);
  tables.commit();
}
