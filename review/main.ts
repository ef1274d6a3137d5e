/**
 * Runs a program of this project against nothing and prints the graph that it registered, as JSON.
 *
 * Reads a {@link RecordingRequest} from standard input. The current directory holds the placeholder key file; the
 * environment is expected to be empty. Started by `foundation review` and `foundation why`, once for each tree.
 */
import { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { UserError } from "../errors.ts";
import { PASSPHRASE } from "./placeholder-key.ts";
import { computed } from "./placeholders.ts";
import { record } from "./record.ts";
import type { JudgedRecording, RecordingAnswer, RecordingRequest } from "./request.ts";

async function main(): Promise<void> {
  const request = JSON.parse(await text(process.stdin)) as RecordingRequest;
  process.env["PULUMI_CONFIG_PASSPHRASE"] = PASSPHRASE;
  // A program that reaches for the network while it is only looked at is a defect, and is to fail as one.
  Socket.prototype.connect = () => {
    throw new Error("the program opens a connection while it is recorded");
  };
  const answer = await recordAll(request).catch((error: unknown): RecordingAnswer => ({ failure: readable(error) }));
  process.stdout.write(JSON.stringify(answer));
}

async function recordAll({ program, stacks, judge: isJudged }: RecordingRequest): Promise<RecordingAnswer> {
  const { default: foundation } = (await import(pathToFileURL(program).href)) as { default: () => Promise<unknown> };
  // The rules know the components of this tree, which a base need not wait for.
  const judge = isJudged ? (await import("./judge.ts")).judge : () => [];
  const recordings: JudgedRecording[] = [];
  for (const { stack, config } of stacks) {
    const options = { mode: "repreview", config, stack } as const;
    const recording = await record(foundation, { ...options, computed: (type, name) => computed(type, name) });
    recordings.push({ stack, recording, violations: judge(recording, config) });
  }
  return { recordings };
}

/** What a person can act on is handed over; a defect of the program ends this one with its stack. */
function readable(error: unknown): { message: string; hint: string; exitCode: number } {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!(cause instanceof UserError) && !(cause instanceof Error && cause.name === "UserError")) throw error;
  const { message, hint, exitCode } = cause as UserError;
  return { message, hint, exitCode };
}

await main();
