// Brings the checkout to the point where TypeScript can run: dependencies as in the lockfile, and Node 24 from among them.
// Plain JavaScript on purpose: whatever Node (18 or later) the machine has must be able to run it.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants, homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const projectDirectory = dirname(fileURLToPath(import.meta.url));

/**
 * Installs the dependencies with `npm ci` unless they are already what package-lock.json says.
 *
 * @param {{ directory?: string, report?: (line: string) => void }} [options] `report` receives progress and the reason of a failure
 * @returns {Promise<boolean>} false when npm failed; the reason has been reported
 */
export async function ensureDependencies({ directory = projectDirectory, report = reportOnStderr } = {}) {
  const reason = outOfSync(directory);
  if (reason === undefined) return true;

  report(`setup: ${reason}; installing dependencies (npm ci, about a minute)`);
  const started = Date.now();
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const code = await run(npm, ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: directory,
    // npm's own stdout ("added 438 packages") must not mix with a command's --json
    stdio: ["ignore", 2, 2],
  });
  if (code !== 0) {
    report(`error: setup: npm ci failed with exit code ${code}`);
    report(
      "hint: see npm's message above; npm and a way to its registry are all that is needed, then run the command again",
    );
    return false;
  }
  report(`setup: dependencies installed in ${Math.round((Date.now() - started) / 1000)} s`);
  return true;
}

/**
 * Why node_modules is not what package-lock.json asks for; undefined when it is.
 *
 * npm writes node_modules/.package-lock.json as its last step and keeps it after every `npm install`, so comparing the two
 * notices an interrupted installation and a pulled lockfile, and does not reinstall after a developer added a package.
 *
 * @param {string} directory
 * @returns {string | undefined}
 */
export function outOfSync(directory) {
  const installedPath = join(directory, "node_modules", ".package-lock.json");
  if (!existsSync(installedPath)) return "node_modules is missing or incomplete";
  const installed = packagesIn(installedPath);
  for (const [path, wanted] of Object.entries(packagesIn(join(directory, "package-lock.json")))) {
    const found = installed[path];
    // an optional package for another platform is in the lockfile and rightly not on disk
    if (path === "" || (found === undefined && wanted.optional)) continue;
    if (found === undefined) return `${path} is missing`;
    if (found.version !== wanted.version) return `${path} is ${found.version}, the lockfile says ${wanted.version}`;
  }
  return undefined;
}

/**
 * @param {string} path
 * @returns {Record<string, { version?: string, optional?: boolean }>}
 */
function packagesIn(path) {
  return JSON.parse(readFileSync(path, "utf8")).packages ?? {};
}

/** The Node 24 that the lockfile pins, installed by npm like any other package. */
export function node24Path() {
  return join(projectDirectory, "node_modules", ".bin", "node");
}

/**
 * Environment for Node 24: compiled and type-stripped code is kept between runs, which halves the start-up time.
 *
 * @param {NodeJS.ProcessEnv} [base]
 * @returns {NodeJS.ProcessEnv}
 */
export function node24Environment(base = process.env) {
  const cache = base["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return { NODE_COMPILE_CACHE: join(cache, "foundation", "node-compile-cache"), ...base };
}

/**
 * Runs a script on Node 24 with this process's terminal and waits for it.
 *
 * @param {string} script path relative to the project
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<number>} the exit code to exit with
 */
export async function execNode24(script, args, env = node24Environment()) {
  const node = node24Path();
  if (!existsSync(node)) {
    reportOnStderr(`error: setup: no Node 24 for ${process.platform} ${process.arch} among the dependencies`);
    reportOnStderr("hint: npm installs it as an optional package; run `npm ci --ignore-scripts --include=optional`");
    return 1;
  }
  return run(node, [join(projectDirectory, script), ...args], { env, stdio: "inherit" });
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {import("node:child_process").SpawnOptions} options
 * @returns {Promise<number>} exit code; 128 + number of the signal that ended it, as a shell reports it
 */
function run(program, args, options) {
  return new Promise((resolve) => {
    const child = spawn(program, args, options);
    // A terminal sends Ctrl-C to both of us: stay until the child has cleaned up. A lone SIGTERM has to be passed on.
    const stay = () => undefined;
    const pass = (/** @type {NodeJS.Signals} */ signal) => void child.kill(signal);
    process.on("SIGINT", stay).on("SIGTERM", pass).on("SIGHUP", pass);
    const finish = (/** @type {number} */ code) => {
      process.off("SIGINT", stay).off("SIGTERM", pass).off("SIGHUP", pass);
      resolve(code);
    };
    child.on("error", (error) => {
      reportOnStderr(`error: setup: cannot start ${program}: ${error.message}`);
      finish(127);
    });
    child.on("exit", (code, signal) => {
      finish(code ?? 128 + constants.signals[signal ?? "SIGKILL"]);
    });
  });
}

/** @param {string} line */
function reportOnStderr(line) {
  process.stderr.write(`${line}\n`);
}
