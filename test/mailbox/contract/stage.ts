import type { Mailboxes, MailboxesOptions, mailboxes } from "ringbell/mailbox";
import type { Stage } from "./cases.js";

/** The stage of one case: mailboxes whose broker's time the case moves on. */
export function stage(open: typeof mailboxes, options: MailboxesOptions): Stage & { end(): Promise<void> } {
  const all: Mailboxes[] = [];
  const begin = performance.now();
  let ahead = 0;
  return {
    async open(more = {}) {
      const time = () => Math.floor(1_800_000_000_000 + ahead);
      const mail = await open({ ...options, time, ...more });
      all.push(mail);
      return mail;
    },
    async pass(mail, ms) {
      ahead += ms;
      await mail.status();
    },
    async end() {
      for (const mail of all) await mail.close();
      if (performance.now() - begin > 10_000) throw new Error("the case took longer than 10 s");
    },
  };
}
