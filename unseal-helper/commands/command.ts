import { EXIT, type ExitCode } from "../../errors.ts";
import type { SshTarget } from "../../ssh-target.ts";
import type { Observer, Session, Surroundings } from "../session.ts";

/** What a command has to tell: one text for people, one object for programs, one code for scripts. */
export interface Outcome {
  readonly text: string;
  readonly json: object;
  readonly exitCode: ExitCode;
}

/** An option of one command; those that every command has are in {@link CommonOptions}. */
export interface Option {
  readonly type: "boolean" | "string";
  /** what stands for the value in the help, as in `FILE`; only for `string` */
  readonly value?: string;
  readonly summary: string;
}

/** The option of every command that looks into Pulumi's own files; {@link projectOf} reads it. */
export const PROJECT: Readonly<Record<"project", Option>> = {
  project: { type: "string", value: "DIR", summary: "directory of Pulumi.yaml (default .)" },
};

/** The directory of {@link PROJECT}. */
export function projectOf({ project }: Arguments["values"]): string {
  return typeof project === "string" ? project : ".";
}

/** What was typed after the command's name, without the options that every command has. */
export interface Arguments {
  /** by the option's name without its dashes; only those of the command */
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  /** at most as many as the command has operands */
  readonly operands: readonly string[];
  /** everything after `--`; empty unless the command takes a program to run */
  readonly program: readonly string[];
}

/** Options that every command understands. */
export interface CommonOptions {
  readonly stack: string | undefined;
  readonly keyDirectory: string;
  readonly target: SshTarget | undefined;
  readonly passphraseFd: number | undefined;
  readonly json: boolean;
}

/** What a command may ask for; main.ts closes what was opened. */
export interface Context {
  readonly options: CommonOptions;
  readonly around: Surroundings;
  /** the passphrase as given or typed, not yet tried on anything */
  readPassphrase(): Promise<Buffer>;
  /** Vault and the share file without a passphrase */
  observe(): Promise<Observer>;
  /**
   * Vault and the opened share file; asks for the passphrase the first time.
   *
   * @param use `files` where Vault is not contacted; else what a killed run has left open in it is closed first
   */
  openSession(use?: "files"): Promise<Session>;
}

/** One command of the helper: a file in this directory, listed in registry.ts. */
export interface Command {
  /** one word, or two as in `shares print` */
  readonly name: string;
  /** one line for the list of commands */
  readonly summary: string;
  /** paragraphs for the command's own help: what it does, what it needs, what it leaves behind */
  readonly description: string;
  readonly options: Readonly<Record<string, Option>>;
  /** names of its operands, as in `FILE`; in brackets where it may be left out */
  readonly operands: readonly string[];
  /** whether `-- PROGRAM ARGUMENTS` follows */
  readonly takesProgram: boolean;
  /** what its exit codes mean, beyond {@link COMMON_EXIT_STATUS} */
  readonly exitStatus: Readonly<Partial<Record<ExitCode, string>>>;
  run(context: Context, args: Arguments): Promise<Outcome>;
}

/** Exit codes that mean the same for every command. */
export const COMMON_EXIT_STATUS: Readonly<Partial<Record<ExitCode, string>>> = {
  [EXIT.ok]: "done",
  [EXIT.failed]: "failed",
  [EXIT.passphrase]: "passphrase missing or wrong",
  [EXIT.keyFile]: "key or share file missing, damaged or tampered with",
  [EXIT.unreachable]: "the VM or Vault cannot be reached",
  [EXIT.refused]: "refused: not our Vault, or keys without their Vault",
  [EXIT.usage]: "wrong command line",
  [EXIT.interrupted]: "interrupted",
};

/** The option of every command that changes something. */
export const DRY_RUN: Readonly<Record<"dry-run", Option>> = {
  "dry-run": { type: "boolean", summary: "say what would be done, and change nothing" },
};

/** The outcome of a dry run. */
export function planned(plan: readonly string[]): Outcome {
  const text = plan.length === 0 ? "nothing to do" : plan.map((step) => `would ${step}`).join("\n");
  return { text, json: { plan }, exitCode: EXIT.ok };
}
