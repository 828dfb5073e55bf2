import { FitAddon } from "./fit.js";
import { colour } from "./theme.js";
import { Wrap } from "./wrap.js";
import { Terminal } from "./xterm.js";

/** The bytes that are kept, to write them again when the window has another width: as many as the bridge keeps. */
const KEPT = 1_048_576;

/** The terminal. It takes bytes as fast as it can draw them, and says when it has, so that the bridge sends no more. */
export class Screen {
  #terminal;
  #fit = new FitAddon();
  #place = 0;
  #missed = 0;
  #element;
  /** What was written, for another width. */
  #kept = [];
  #keptBytes = 0;
  #wrap = new Wrap(80);

  constructor(parent) {
    this.#element = parent;
    this.#terminal = new Terminal({
      ...{ disableStdin: true, cursorStyle: "bar", cursorBlink: false, cursorInactiveStyle: "bar" },
      ...{ fontFamily: '"JetBrains Mono", ui-monospace, monospace', lineHeight: 1.35, scrollback: 10_000 },
      fontSize: innerWidth < 600 ? 12 : 13,
      minimumContrastRatio: 4.5,
      screenReaderMode: false,
    });
    this.#terminal.loadAddon(this.#fit);
    allowStyles();
    // Characters are measured once, so the font must be there.
    const fonts = document.fonts.load('13px "JetBrains Mono"').catch(() => {});
    this.ready = fonts.then(() => {
      this.#terminal.open(parent);
      // The keys of the page work here as well; Tab goes on to the next button.
      this.#terminal.attachCustomKeyEventHandler(() => false);
      this.#fitted();
      new ResizeObserver(() => this.#fitted()).observe(parent);
    });
  }

  /** Takes the size of its place. Another width breaks the lines elsewhere. */
  #fitted() {
    if (this.#element.clientWidth === 0) return;
    const before = this.#terminal.cols;
    this.#fit.fit();
    if (this.#terminal.cols === before && this.#keptBytes > 0) return;
    this.#wrap = new Wrap(this.#terminal.cols);
    if (this.#keptBytes === 0) return;
    this.#terminal.reset();
    for (const bytes of this.#kept) this.#terminal.write(this.#wrap.push(bytes));
  }

  themed() {
    const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
    const colours = names.map((name) => [name, colour(`ansi-${name}`)]);
    const bright = names.map((name) => [
      `bright${name[0].toUpperCase()}${name.slice(1)}`,
      colour(name === "black" ? "muted" : `ansi-${name}`),
    ]);
    this.#terminal.options.theme = {
      ...Object.fromEntries([...colours, ...bright]),
      background: colour("surface"),
      foreground: colour("text"),
      cursor: colour("accent"),
      selectionBackground: colour("selection"),
      ...{ scrollbarSliderBackground: colour("slider"), scrollbarSliderHoverBackground: colour("slider") },
      scrollbarSliderActiveBackground: colour("slider"),
    };
  }

  /** Writes bytes at a place of the stream. Resolves when they are drawn. */
  async write(bytes, place) {
    await this.ready;
    if (place < this.#place) {
      // The agent was started again.
      this.#terminal.reset();
      this.#wrap = new Wrap(this.#terminal.cols);
      this.#kept = [];
      this.#keptBytes = 0;
      this.#place = place;
      this.#missed = 0;
    }
    if (place > this.#place && this.#place > 0) this.#missed += place - this.#place;
    this.#place = place + bytes.length;
    this.#keep(bytes);
    await new Promise((resolve) => this.#terminal.write(this.#wrap.push(bytes), resolve));
    this.#element.dataset.bytes = this.#place;
    this.#element.dataset.missed = this.#missed;
  }

  #keep(bytes) {
    this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
    while (this.#keptBytes > KEPT) this.#keptBytes -= this.#kept.shift().length;
  }
}

/** xterm.js makes style elements. The policy of the page takes them with the nonce that its own style sheet has. */
function allowStyles() {
  const { nonce } = document.querySelector("link[nonce]");
  const create = document.createElement.bind(document);
  document.createElement = (name, options) => {
    const made = create(name, options);
    if (name === "style") made.nonce = nonce;
    return made;
  };
}
