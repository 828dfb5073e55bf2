/*
 * The text of a terminal for a model, without what steers the terminal. Bytes of a terminal go to browsers unchanged; a model
 * gets them through here. Otherwise a program could write, in a colour on the same colour or behind the edge of the screen, what a person
 * does not see and a model obeys.
 */

/** An unfinished sequence longer than this is given up: what follows is text again. */
const LONGEST_SEQUENCE = 4096;

enum State {
  Text,
  /** After ESC. */
  Escape,
  /** After ESC and intermediates: one character more. */
  Intermediate,
  /** In a control sequence, up to its final character. */
  Control,
  /** In a string (a title, a link, a device's), up to BEL or ESC \. */
  String,
  /** In a string, after ESC. */
  StringEscape,
}

/** Characters that are not seen and change how others are: directions, joiners at the edge of words, tags. */
const UNSEEN =
  /\u034f|[\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;

/** Takes control sequences out of a stream of bytes, wherever it is cut. */
export class ModelText {
  readonly #decoder = new TextDecoder("utf-8");
  #state = State.Text;
  #length = 0;
  #wasReturn = false;

  /** Returns the text of the next bytes, with `\n` and tabs and no other control character. */
  push(bytes: Uint8Array): string {
    const given = this.#decoder.decode(bytes, { stream: true });
    let text = "";
    for (const character of given) text += this.#next(character);
    return text.replace(UNSEEN, "");
  }

  /** Returns the part of the character that belongs to the text. */
  #next(character: string): string {
    const code = character.codePointAt(0)!;
    if (this.#state === State.Text) return this.#text(character, code);
    if (++this.#length > LONGEST_SEQUENCE || code === CANCEL || code === SUBSTITUTE) {
      this.#state = State.Text;
      return "";
    }
    switch (this.#state) {
      case State.Escape:
        this.#escape(code);
        break;
      case State.Intermediate:
        if (code < 0x20 || code > 0x2f) this.#state = State.Text;
        break;
      case State.Control:
        if (code >= 0x40 && code <= 0x7e) this.#state = State.Text;
        else if (code === ESCAPE) this.#begin(State.Escape);
        break;
      case State.String:
        if (code === BELL || code === STRING_END) this.#state = State.Text;
        else if (code === ESCAPE) this.#state = State.StringEscape;
        break;
      case State.StringEscape:
        if (code === 0x5c) this.#state = State.Text;
        else this.#escape(code);
        break;
    }
    return "";
  }

  #text(character: string, code: number): string {
    const afterReturn = this.#wasReturn;
    this.#wasReturn = code === 0x0d;
    if (code >= 0x20 && code < 0x7f) return character;
    if (code === 0x0a) return afterReturn ? "" : "\n";
    // A text written over a line becomes a line of its own: a model sees both.
    if (code === 0x0d) return "\n";
    if (code === 0x09) return character;
    if (code === ESCAPE) this.#begin(State.Escape);
    else if (code === 0x9b) this.#begin(State.Control);
    else if (code === 0x90 || code === 0x98 || (code >= 0x9d && code <= 0x9f)) this.#begin(State.String);
    return code < 0xa0 ? "" : character;
  }

  #escape(code: number): void {
    if (code === 0x5b) this.#begin(State.Control);
    else if (code === 0x50 || code === 0x58 || (code >= 0x5d && code <= 0x5f)) this.#begin(State.String);
    else if (code >= 0x20 && code <= 0x2f) this.#state = State.Intermediate;
    else if (code !== ESCAPE) this.#state = State.Text;
  }

  #begin(state: State): void {
    this.#state = state;
    this.#length = 0;
  }
}

const BELL = 0x07;
const CANCEL = 0x18;
const SUBSTITUTE = 0x1a;
const ESCAPE = 0x1b;
const STRING_END = 0x9c;
