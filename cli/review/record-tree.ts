import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError, type ExitCode } from "../../errors.ts";
import { keyFileName } from "../../keys/keyfile-format.ts";
import { placeholderKeyFile } from "../../review/placeholder-key.ts";
import type { JudgedRecording, RecordingAnswer, RecordingRequest, StackConfig } from "../../review/request.ts";
import type { Finished } from "../exec.ts";
import type { Shell } from "../shell.ts";

/** A tree whose program is to be recorded. */
export interface Tree {
  /** for messages: `the working tree`, `main (1a2b3c4)` */
  readonly name: string;
  /** the directory of its index.ts */
  readonly directory: string;
  readonly stacks: readonly StackConfig[];
  /** whether this tree's rules are to judge it */
  readonly judge: boolean;
}

const TIMEOUT_SECONDS = 120;

/**
 * Records the graphs of a tree's own program in a process that sees nothing else: an empty environment, a directory with
 * a placeholder key, no writing, no other process. What it registers goes to nobody.
 *
 * @param scratch an empty directory, for the placeholder key
 * @throws UserError where the program cannot be recorded
 */
export async function recordTree(shell: Shell, tree: Tree, scratch: string): Promise<readonly JudgedRecording[]> {
  if (tree.stacks.length === 0) return [];
  const directory = mkdtempSync(join(scratch, "keys-"));
  for (const { stack, config } of tree.stacks) {
    const keys = config["foundation:keyDirectory"];
    const path = join(directory, typeof keys === "string" ? keys : "keys/stacks", keyFileName(stack));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, await placeholderKeyFile(stack));
  }
  const request: RecordingRequest = {
    program: join(tree.directory, "index.ts"),
    stacks: tree.stacks,
    judge: tree.judge,
  };
  const { variables, permissions } = confine(shell, tree, scratch);
  const program = join(shell.projectDirectory, "review/main.ts");
  const finished = await shell.run("node", [...permissions, program], {
    input: JSON.stringify(request),
    env: variables,
    directory,
    timeoutSeconds: TIMEOUT_SECONDS,
  });
  return readAnswer(tree, finished);
}

/**
 * Every variable but the path unset: the passphrase, tokens and agents of whoever runs this are none of the program's. It
 * reads the two trees and no other file, and writes none but what Node compiles; for a base that is gone in a moment, that
 * would only fill the cache.
 */
function confine({ environment, projectDirectory }: Shell, { directory }: Tree, scratch: string) {
  const cache = directory === projectDirectory ? environment["NODE_COMPILE_CACHE"] : undefined;
  const kept = cache === undefined ? ["PATH"] : ["PATH", "NODE_COMPILE_CACHE"];
  const unset = Object.keys(environment).filter((name) => !kept.includes(name));
  const readable = [projectDirectory, realpathSync(join(projectDirectory, "node_modules")), realpathSync(scratch)];
  return {
    variables: Object.fromEntries(unset.map((name) => [name, undefined])),
    permissions: [
      "--permission",
      ...[...new Set(readable)].map((path) => `--allow-fs-read=${path}`),
      ...(cache === undefined ? [] : [`--allow-fs-read=${cache}`, `--allow-fs-write=${cache}`]),
    ],
  };
}

function readAnswer(tree: Tree, { exitCode, stdout, stderr }: Finished): readonly JudgedRecording[] {
  const answer = exitCode === 0 ? (JSON.parse(stdout) as RecordingAnswer) : undefined;
  if (answer === undefined) {
    const [, reason = stderr.trim()] = /^\[?((?:\w*Error|error)\b.*?)(?:\](?: \{)?)?$/m.exec(stderr) ?? [];
    throw new UserError(
      `${tree.name}: the program cannot be recorded: ${reason || `exit code ${exitCode}`}`,
      "correct the program; `npx pulumi preview` shows all of the error",
    );
  }
  if ("recordings" in answer) return answer.recordings;
  const { message, hint, exitCode: code } = answer.failure;
  throw new UserError(message.replaceAll(/^/gm, `${tree.name}: `), hint, code as ExitCode);
}
