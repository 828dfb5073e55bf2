import { readFileSync } from "node:fs";

let id: string | undefined;

/** The id of this start of the machine; empty where the system does not tell. */
export function bootId(): string {
  if (id !== undefined) return id;
  try {
    id = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    id = "";
  }
  return id;
}
