/*
 * Who holds a claim: the process, as the kernel says, and the id that the client chose. So no process can pass for another one.
 */

export function holderOf(pid: number | undefined, client: string): string {
  return `${pid ?? "?"}:${client}`;
}

/** The process of a holder; undefined if it has no id here. */
export function pidOf(holder: string): number | undefined {
  const pid = Number.parseInt(holder, 10);
  return Number.isNaN(pid) ? undefined : pid;
}
