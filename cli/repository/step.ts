/** Something that is not as it should be, and how it gets so. */
export interface Step {
  /** in the imperative: `protect main` */
  readonly what: string;
  readonly run: () => Promise<unknown>;
}

/** Something that is left as it is, and what the operator can do about it. */
export interface Notice {
  readonly what: string;
  readonly hint?: string;
}
