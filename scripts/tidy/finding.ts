/** What a rule has to say about one line. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  /** What is wrong, and what to do instead. */
  readonly message: string;
}
