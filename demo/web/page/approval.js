import { by, element, setText } from "./dom.js";
import { toast } from "./notice.js";

const RISKS = { low: "Low risk", medium: "Can't be undone", high: "Others will see it" };

/** The question of the agent, and the ways to answer it: buttons, and the keys A and R. */
export class Approval {
  #ui;
  #request;
  #buttons = [];
  #timer;
  #isSending = false;

  constructor(ui) {
    this.#ui = ui;
    addEventListener("keydown", (event) => {
      const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat;
      if (!isPlain || this.#request === undefined || !this.#mayAnswer) return;
      if (event.key === "a") void this.#answer("approve");
      else if (event.key === "r") void this.#answer("reject");
    });
  }

  get #mayAnswer() {
    return this.#ui.inputs.includes("approve");
  }

  show(request) {
    if (request?.id === this.#request?.id && request?.task === this.#request?.task) return;
    const hadFocus = by("ask").contains(document.activeElement);
    this.#request = request ?? undefined;
    this.#isSending = false;
    clearInterval(this.#timer);
    by("ask").hidden = this.#request === undefined;
    // Somebody who answered by the keyboard stays where the next question comes.
    if (this.#request === undefined) {
      if (hadFocus) by("work").focus({ preventScroll: true });
      return;
    }
    const { title, command, why, risk, since } = this.#request;
    const waited = element("span", { class: "waited" });
    const tell = () => setText(waited, `waiting for ${lasting(Date.now() - since)}`);
    tell();
    this.#timer = setInterval(tell, 1000);
    this.#buttons = this.#mayAnswer
      ? [this.#button("approve", "Approve", "A"), this.#button("reject", "Reject", "R")]
      : [];
    by("ask").replaceChildren(
      element(
        "div",
        { class: "question", role: "alert" },
        element("p", { class: "eyebrow" }, "The agent asks", waited),
        element("h2", {}, title),
        element("pre", { tabindex: "0", "aria-label": "Command" }, element("code", {}, command)),
        element(
          "p",
          { class: "why" },
          element("b", { class: "risk", "data-risk": risk }, RISKS[risk]),
          " ",
          why,
        ),
      ),
      this.#mayAnswer
        ? element("div", { class: "answers" }, ...this.#buttons)
        : element("p", { class: "readonly" }, "This window may look, and not answer."),
    );
  }

  /** Whether one can answer now, and need not wait for a connection. */
  enable(isAttached) {
    for (const button of this.#buttons) button.disabled = !isAttached || this.#isSending;
  }

  #button(method, label, key) {
    return element(
      "button",
      { type: "button", class: method, "aria-keyshortcuts": key, click: () => void this.#answer(method) },
      label,
      element("kbd", { "aria-hidden": "true" }, key),
    );
  }

  async #answer(method) {
    if (this.#isSending) return;
    this.#isSending = true;
    for (const button of this.#buttons) button.disabled = true;
    try {
      await this.#ui.input(method, { id: this.#request.id });
    } catch (error) {
      toast(
        error.mayHaveRun ? "The connection was lost; look whether the answer came." : sentence(error.message),
      );
    } finally {
      this.#isSending = false;
      this.enable(true);
    }
  }
}

/** Aborting asks once more: the button changes, and changes back. */
export function abortButton(ui) {
  const button = by("abort");
  let task;
  let timer;
  const rest = () => {
    clearTimeout(timer);
    button.classList.remove("sure");
    setText(button, "Abort");
  };
  button.addEventListener("click", async () => {
    if (!button.classList.contains("sure")) {
      button.classList.add("sure");
      setText(button, "Abort the task?");
      timer = setTimeout(rest, 4000);
      return;
    }
    rest();
    await ui.input("abort", { task }).catch((error) => toast(sentence(error.message)));
  });
  button.addEventListener("blur", rest);
  return {
    show(number, isWorking) {
      if (number !== task) rest();
      task = number;
      button.hidden = !ui.inputs.includes("abort");
      button.disabled = !isWorking;
    },
  };
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

export function lasting(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  return seconds < 3600
    ? `${Math.floor(seconds / 60)} min ${seconds % 60} s`
    : `${Math.floor(seconds / 3600)} h`;
}
