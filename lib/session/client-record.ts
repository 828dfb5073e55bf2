/** What the session knows of a client, attached or not. */
export class ClientRecord {
  /** Counts the attachments. Inputs of earlier ones are refused. */
  epoch = 0;
  /** The run of the client, which counts its inputs. A client that was started again has another one, and begins with 1. */
  instance = "";
  acked = 0;
  readonly outcomes = new Map<number, Promise<unknown>>();
  /** With a store: what the file shall have of the inputs. Null: the input was begun. Else the JSON of its outcome. */
  readonly texts = new Map<number, string | null>();
  /** The inputs that the file has otherwise. */
  readonly changed = new Set<number>();
  /** Whether the file has the inputs of a former run. */
  isAnew = false;

  /** Called with the run that attaches. The inputs of a former one will not be repeated. */
  begin(instance: string): void {
    this.epoch++;
    if (instance === this.instance) return;
    this.instance = instance;
    this.acked = 0;
    this.outcomes.clear();
    this.texts.clear();
    this.changed.clear();
    this.isAnew = true;
  }

  /** Forgets what the client will not ask again. */
  acknowledge(number: number): void {
    if (number <= this.acked) return;
    for (const done of this.outcomes.keys()) {
      if (done > number) continue;
      this.outcomes.delete(done);
      this.texts.delete(done);
      this.changed.delete(done);
    }
    this.acked = number;
  }

  /** Notes for the file what became of an input; undefined if nothing did. */
  note(number: number, text: string | null | undefined): void {
    if (text === undefined) this.texts.delete(number);
    else this.texts.set(number, text);
    this.changed.add(number);
  }

  /** Called when the file has all. */
  written(): void {
    this.isAnew = false;
    this.changed.clear();
  }

  /** Called when the file has nothing. */
  lost(): void {
    for (const number of this.texts.keys()) this.changed.add(number);
  }
}
