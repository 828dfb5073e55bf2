/** From so many objects on a Map finds one faster than a loop. */
const MANY = 12;

/** The objects that a message has so far. V8 numbers them alike as it reads, and finds an object that stands twice by its number. */
export class Met {
  /** Each object at its number; undefined for one that stands only once. */
  private readonly objects: (object | undefined)[] = [];
  private numbers: Map<object, number> | undefined;

  /** Returns the number of an object that was met before. Otherwise notes it, and returns -1. */
  meet(object: object): number {
    const number = this.find(object);
    if (number === -1) {
      this.numbers?.set(object, this.objects.length);
      this.objects.push(object);
    }
    return number;
  }

  /** Takes back the note of the last object. Its number stays taken. */
  forgetLast(object: object): void {
    this.numbers?.delete(object);
    this.objects[this.objects.length - 1] = undefined;
  }

  reset(): void {
    this.objects.length = 0;
    this.numbers = undefined;
  }

  private find(object: object): number {
    if (this.numbers !== undefined) return this.numbers.get(object) ?? -1;
    const number = this.objects.indexOf(object);
    if (number === -1 && this.objects.length === MANY) this.numbers = this.numbered();
    return number;
  }

  private numbered(): Map<object, number> {
    const numbers = new Map<object, number>();
    for (const [number, object] of this.objects.entries())
      if (object !== undefined) numbers.set(object, number);
    return numbers;
  }
}
