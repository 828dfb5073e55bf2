import { by, element, setText } from "./dom.js";

const CONNECTION = {
  connecting: "Connecting",
  attached: "Live",
  reconnecting: "Reconnecting",
  over: "Ended",
  replaced: "Elsewhere",
  unauthorised: "Not let in",
  failed: "Lost",
  closed: "Closed",
};

/** What a window says when it can't show the agent, and what one can do. */
const ENDS = {
  entry: {
    title: "This page needs a link",
    text: "Run the demo in a terminal, and open the link that it prints. Each link is good for one window; press Enter in the terminal for another one.",
    command: "npm run demo:web",
  },
  unauthorised: {
    title: "This window is not known any more",
    text: "The demo was started again since. Open the link that it prints in its terminal.",
    command: "npm run demo:web",
  },
  replaced: {
    title: "Open in another tab",
    text: "The same window was opened elsewhere, and took over. Nothing was lost.",
    action: "Take it back",
  },
  failed: {
    title: "The agent can't be reached",
    text: "It did not answer for ten minutes. If it still runs, this window goes on where it was.",
    action: "Try again",
  },
  over: {
    title: "The agent has ended",
    text: "The demo was stopped in its terminal. What you see behind is its last state.",
    action: "Look again",
  },
};

let since;
let timer;

/** Shows how the window is connected: in the bar always, across the page where it matters. */
export function showConnection(state) {
  by("connection").dataset.state = state;
  document.body.dataset.connection = state;
  setText(by("connection").lastElementChild, CONNECTION[state]);
  clearInterval(timer);
  by("banner").hidden = state !== "reconnecting";
  by("overlay").hidden = true;
  if (state === "reconnecting") {
    since = Date.now();
    const tell = () => {
      const seconds = Math.round((Date.now() - since) / 1000);
      const text = `Connection lost${seconds > 2 ? ` ${seconds} s ago` : ""}. Trying again; the agent works on meanwhile.`;
      setText(by("banner"), text);
    };
    tell();
    timer = setInterval(tell, 1000);
  }
  if (ENDS[state] !== undefined) showEnd(state);
}

export function showEnd(which) {
  const { title, text, command, action } = ENDS[which];
  const button =
    action === undefined
      ? undefined
      : element("button", { type: "button", click: () => location.reload() }, action);
  const overlay = by("overlay");
  overlay.replaceChildren(
    element(
      "div",
      {},
      element("h2", { id: "overlay-title" }, title),
      element("p", { id: "overlay-text" }, text),
      command === undefined ? undefined : element("code", {}, command),
      button,
    ),
  );
  overlay.hidden = false;
  // Nothing behind it can be used.
  by("work").inert = true;
  button?.focus();
}

let toastTimer;

/** Says something for some seconds. */
export function toast(text) {
  const target = by("toast");
  target.hidden = false;
  setText(target, text);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    target.hidden = true;
  }, 6000);
}
