import type { Recording } from "./record.ts";

/** What the recording program is told on standard input, as JSON. */
export interface RecordingRequest {
  /** absolute path of the program: its index.ts */
  readonly program: string;
  readonly stacks: readonly StackConfig[];
  /** whether the rules are to judge what was recorded; they are those of this tree */
  readonly judge: boolean;
}

/** One stack's configuration. */
export interface StackConfig {
  readonly stack: string;
  /** by full key, `foundation:domain`; nothing of it is encrypted any more */
  readonly config: Readonly<Record<string, unknown>>;
}

/** What the recording program answers, in the order of the stacks. */
export type RecordingAnswer =
  | { readonly recordings: readonly JudgedRecording[] }
  | { readonly failure: { readonly message: string; readonly hint: string; readonly exitCode: number } };

/** A graph, and what is wrong with it. */
export interface JudgedRecording {
  readonly stack: string;
  readonly recording: Recording;
  /** `<rule>: <Type> <name>: <what is wrong>` */
  readonly violations: readonly string[];
}
