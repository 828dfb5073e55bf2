import { readFileSync } from "node:fs";

/** The first line of a mapping: addresses, rights, offset, device, inode, path. */
const HEAD = /^[0-9a-f]+-[0-9a-f]+ \S+ [0-9a-f]+ \S+ (\d+)\s*(.*)$/;
const FIELD = /^(Size|Rss|Pss):\s+(\d+) kB$/;

/**
 * What of this process's memory, in bytes, are files in memory at least `least` bytes long: Rss counts a page in each process that has it
 * mapped, Pss only once over all of them.
 * @param {number} least
 */
export function filesInMemory(least) {
  /** @type {Map<string, { Size: number, Rss: number, Pss: number }>} */
  const files = new Map();
  let file;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    const head = HEAD.exec(line);
    if (head !== null) {
      const [, inode = "", path = ""] = head;
      file = undefined;
      if (!/^\/(memfd:|dev\/shm\/)/.test(path)) continue;
      // One file may be mapped in parts.
      file = files.get(inode) ?? { Size: 0, Rss: 0, Pss: 0 };
      files.set(inode, file);
      continue;
    }
    const field = FIELD.exec(line);
    if (field === null || file === undefined) continue;
    const [, name, kib] = field;
    file[/** @type {keyof typeof file} */ (name)] += Number(kib) * 1024;
  }
  const long = [...files.values()].filter(({ Size }) => Size >= least);
  return {
    rssBytes: long.reduce((sum, { Rss }) => sum + Rss, 0),
    pssBytes: long.reduce((sum, { Pss }) => sum + Pss, 0),
  };
}
