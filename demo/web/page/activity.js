import { by, element, time } from "./dom.js";

const MOST = 80;
const MARKS = {
  task: "▸",
  tool: "·",
  asked: "?",
  approved: "✓",
  rejected: "✗",
  aborted: "■",
  failed: "!",
  done: "✓",
  opened: "○",
  closed: "○",
};

/** What happened, the newest first. */
export class Activities {
  #list = by("activities");

  snapshot(activities) {
    this.#list.replaceChildren();
    for (const activity of activities) this.add(activity);
  }

  add({ at, kind, text, by: who }) {
    this.#list.querySelector(".empty")?.remove();
    this.#list.prepend(
      element(
        "li",
        { "data-kind": kind },
        element("i", { "aria-hidden": "true" }, MARKS[kind] ?? "·"),
        element("span", {}, text, who === undefined ? undefined : element("em", {}, ` ${kind} by ${who}`)),
        element("time", { datetime: new Date(at).toISOString() }, time(at)),
      ),
    );
    while (this.#list.childElementCount > MOST) this.#list.lastElementChild.remove();
  }
}
