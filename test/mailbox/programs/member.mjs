// A process with mailboxes, which does what its input says: a line of JSON each, { n, box, call, args }, answered by { n, value } or
// { n, error }. Deliveries that are not settled are kept, and settled by { n, settle, position, args }.
import { createInterface } from "node:readline";
import { mailboxes } from "../../../dist/mailbox/index.js";

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const kept = new Map();

function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value?.putBack === "function") {
    kept.set(value.position, value);
    const { box, id, position, body, from, attempt, redelivered } = value;
    return { box, id, position, body, from, attempt, redelivered };
  }
  return value;
}

const errorOf = ({ name, code, message, pid }) => ({ name, code, message, pid });

async function run(mail, { box, call, args = [], settle, position }) {
  if (settle !== undefined) return kept.get(position)[settle](...args);
  const target = box === undefined ? mail : mail.box(box);
  const value = target[call];
  return typeof value === "function" ? plain(await value.apply(target, args)) : value;
}

try {
  const mail = await mailboxes(JSON.parse(process.argv[2]));
  mail.on("state", (state) => say({ state }));
  mail.on("trouble", (error) => say({ trouble: errorOf(error) }));
  say({ ready: mail.state, pid: process.pid });
  createInterface({ input: process.stdin }).on("line", (line) => {
    const { n, ...command } = JSON.parse(line);
    run(mail, command).then(
      (value) => say({ n, value }),
      (error) => say({ n, error: errorOf(error) }),
    );
  });
} catch (error) {
  say({ failed: errorOf(error) });
}
