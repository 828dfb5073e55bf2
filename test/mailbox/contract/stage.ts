import type { Mailboxes, MailboxesOptions, mailboxes } from "ringbell/mailbox";
import type { Stage } from "./cases.js";

type Open = typeof mailboxes;

/** How long a case may take, in ms. */
const LONGEST = 10_000;

/** The stage of one case: mailboxes whose broker's time the case moves on. */
export function stage(open: Open, options: MailboxesOptions): Stage & { end(): Promise<void> } {
  let ahead = 0;
  const time = () => Math.floor(1_800_000_000_000 + ahead);
  const pass = async (mail: Mailboxes, ms: number) => {
    ahead += ms;
    await mail.status();
  };
  return { ...actors(open, { ...options, time }, LONGEST), pass };
}

/** The same on a server with a clock of its own: time passes as it does. */
export function slowStage(open: Open, options: MailboxesOptions): Stage & { end(): Promise<void> } {
  const pass = (_: Mailboxes, ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms + 20));
  return { ...actors(open, options, 3 * LONGEST), pass };
}

function actors(open: Open, options: MailboxesOptions, longest: number) {
  const all: Mailboxes[] = [];
  const begin = performance.now();
  return {
    async open(more: MailboxesOptions = {}) {
      const mail = await open({ ...options, ...more });
      all.push(mail);
      return mail;
    },
    async end() {
      for (const mail of all) await mail.close();
      if (performance.now() - begin > longest) throw new Error(`the case took longer than ${longest} ms`);
    },
  };
}
