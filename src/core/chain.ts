/**
 * A list whose items carry their own links, so that any of them leaves it at once, and the first goes to its end.
 *
 * Owns the links of the items that are in it. An item is in one chain at most; who takes one out knows that it is in.
 */
export interface Link {
  before: this | null;
  after: this | null;
}

export class Chain<Item extends Link> {
  first: Item | null = null;
  last: Item | null = null;
  size = 0;

  push(item: Item): void {
    item.before = this.last;
    if (this.last === null) this.first = item;
    else this.last.after = item;
    this.last = item;
    this.size += 1;
  }

  remove(item: Item): void {
    if (item.before === null) this.first = item.after;
    else item.before.after = item.after;
    if (item.after === null) this.last = item.before;
    else item.after.before = item.before;
    item.before = null;
    item.after = null;
    this.size -= 1;
  }

  /** The first goes to the end. */
  rotate(): void {
    const { first } = this;
    if (first === null || first === this.last) return;
    this.remove(first);
    this.push(first);
  }
}
