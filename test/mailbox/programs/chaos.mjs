// A process that posts numbers or takes them, until it is killed: node chaos.mjs post FROM NEXT MOST OPTIONS, or take OPTIONS. It prints what
// it was told: "accepted N" for a post, "got SENDER N ATTEMPT" for a delivery, and "acked SENDER N" once an acknowledgement is confirmed.
import { writeSync } from "node:fs";
import { mailboxes } from "../../../dist/mailbox/index.js";

const [, , role, ...args] = process.argv;
const options = JSON.parse(args.at(-1));
// At once: what a killed process has not written yet, the test would not know.
const say = (text) => writeSync(1, `${text}\n`);

const mail = await mailboxes(options);
mail.on("trouble", (error) => say(`trouble ${error.message}`));
if (role === "post") {
  const [from, next, most] = [args[0], Number(args[1]), Number(args[2])];
  for (let n = next; n < most; ) {
    const batch = [];
    for (let i = 0; i < 64 && n < most; i++, n++) {
      const number = n;
      batch.push(mail.post("box", number, { from }).then(() => number));
    }
    const accepted = await Promise.all(batch);
    say(`accepted ${accepted[0]} ${accepted.at(-1)}`);
  }
  say("finished");
} else {
  const box = mail.box("box");
  for (;;) {
    const claim = await box.claim();
    if (claim === undefined) continue;
    const more = await box.fetch({ limit: 31, ack: false });
    for (const { from, body, attempt } of [claim, ...more]) say(`got ${from.name} ${body} ${attempt}`);
    const acks = [claim, ...more].map((one) => one.ack().then(() => `acked ${one.from.name} ${one.body}`));
    for (const { status, value, reason } of await Promise.allSettled(acks)) {
      say(status === "fulfilled" ? value : `refused ${reason.code}`);
    }
  }
}
