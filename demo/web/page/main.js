import { Activities } from "./activity.js";
import { Approval, abortButton } from "./approval.js";
import { by, element, setText } from "./dom.js";
import { enter, isInside, linkFor } from "./entry.js";
import { showConnection, showEnd, toast } from "./notice.js";
import { Picture } from "./picture.js";
import { attach } from "./ringbell.js";
import { Screen } from "./screen.js";
import { followTheme } from "./theme.js";

const STATES = { running: "Running", awaiting_hitl: "Waits for you", idle: "Between tasks", connecting: "…" };

document.body.classList.toggle("inside", isInside);
const screen = new Screen(by("terminal"));
followTheme(() => screen.themed());
const entry = await enter().catch(() => undefined);
if (entry === undefined) {
  showConnection("unauthorised");
  showEnd("entry");
} else {
  await show(entry);
}

/** Attaches to the agent, and shows what it says until the end. */
async function show({ token, client }) {
  showConnection("connecting");
  const url = `ws://${location.host}/ringbell`;
  let ui;
  try {
    ui = await attach({ url, token, client });
  } catch {
    return showConnection("unauthorised");
  }
  const approval = new Approval(ui);
  const abort = abortButton(ui);
  const activities = new Activities();
  const picture = new Picture(client);
  const isViewer = !ui.inputs.includes("approve");
  setText(by("who"), [isInside ? "Second window" : "", isViewer ? "Viewer" : ""].filter(Boolean).join(", "));

  const told = {
    task: (task) => {
      setText(by("number"), task === undefined ? "Agent" : `Task ${task.number}`);
      setText(by("task"), task?.title ?? "Waiting for the agent");
      document.title = `${ui.state === "awaiting_hitl" ? "● " : ""}${task?.title ?? "Agent"} · ringbell`;
    },
    request: (request) => {
      approval.show(request ?? undefined);
      approval.enable(ui.connection === "attached");
    },
    picture: (drawn) => drawn !== undefined && picture.show(drawn),
  };
  const showState = () => {
    by("state").dataset.state = ui.state;
    setText(by("state"), isViewer && ui.state === "awaiting_hitl" ? "Waits" : (STATES[ui.state] ?? ui.state));
    abort.show(ui.retained.get("task")?.number, ui.state !== "idle" && ui.connection === "attached");
    told.task(ui.retained.get("task"));
  };
  ui.on("state", showState);
  ui.on("retained", (name, value) => {
    told[name]?.(value);
    if (name === "task") showState();
  });
  ui.on("connection", (connection) => {
    showConnection(connection);
    approval.enable(connection === "attached");
    showState();
  });
  for (const [name, value] of ui.retained) told[name]?.(value);
  showConnection("attached");
  showState();
  ui.terminal("agent", (bytes, place) => screen.write(bytes, place));
  windows(token, isViewer);
  // A tab that is closed says so, in place of being missed.
  addEventListener("pagehide", ({ persisted }) => persisted || ui.close());

  try {
    for await (const item of ui) {
      if (item.type === "snapshot") activities.snapshot(item.snapshot.activities);
      else if (item.type === "event" && item.class === "activity") activities.add(item.event);
      document.body.dataset.sequence = item.sequence;
    }
  } catch {
    // How it ended was shown already.
  }
}

/** The buttons that open further windows. */
function windows(token, isViewer) {
  const beside = by("beside");
  if (isInside) {
    beside.hidden = by("viewer").hidden = true;
    return;
  }
  const narrow = matchMedia("(max-width: 800px)");
  const failed = (error) => toast(`No second window: ${error.message}`);
  const openBeside = async () => {
    const second = by("second");
    if (!second.hidden) {
      second.replaceChildren();
      second.hidden = true;
    } else {
      const link = await linkFor(isViewer ? "viewer" : "operator", token);
      // There is no room for two on a small screen.
      if (narrow.matches) return openTab(link);
      second.replaceChildren(element("iframe", { title: "Second window", src: link }));
      second.hidden = false;
    }
    beside.setAttribute("aria-pressed", String(!second.hidden));
    document.body.classList.toggle("split", !second.hidden);
  };
  beside.addEventListener("click", () => void openBeside().catch(failed));
  by("viewer").addEventListener("click", () => void linkFor("viewer", token).then(openTab, failed));
}

function openTab(link) {
  if (window.open(link, "_blank") === null)
    toast(`The browser opens no window. The link, good once: ${link}`);
}
