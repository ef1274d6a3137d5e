import { spawn } from "node:child_process";
import { join } from "node:path";
import { compileCache } from "../compile-cache.ts";

const projectDirectory = join(import.meta.dirname, "..", "..");

/** Runs the real `foundation` as a process of its own, without a terminal. */
export function foundation(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(projectDirectory, "cli", "main.ts"), ...args], {
      cwd: "/",
      env: { ...compileCache(), PATH: process.env["PATH"], HOME: process.env["HOME"], ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
    child.on("close", (exitCode) => {
      resolve({ exitCode, ...output });
    });
  });
}
