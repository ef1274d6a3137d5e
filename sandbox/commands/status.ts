import { Command } from "commander";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../errors.ts";
import { stackEnvironment } from "../deployment.ts";
import { sandboxFiles, STACK } from "../files.ts";
import { REGISTRY } from "../registry.ts";
import { inspectContainer } from "../docker.ts";
import type { Rig } from "../rig.ts";
import { readStackConfig, runnerIsolation } from "../stack-config.ts";
import { formatTable } from "../table.ts";
import { containerOf } from "../vm/machine.ts";
import { listVms } from "../vms.ts";
import { sshTo } from "./shell.ts";

const HELP = `
EXIT STATUS
  0  everything runs and is healthy, Vault is open
  2  something is stopped, unhealthy or sealed, or there is no sandbox`;

/** One line of the table. */
export interface Row {
  readonly what: string;
  readonly state: string;
  readonly good: boolean;
}

/** `sandbox status`: what runs. Changes nothing. */
export function statusCommand(rig: Rig): Command {
  return new Command("status")
    .description("what runs: VMs, services in prod, Vault")
    .option("--json", "as JSON")
    .addHelpText("after", HELP)
    .action(async (options: { json?: true }) => {
      const rows = await collect(rig);
      const table = (): string =>
        formatTable(
          ["what", "state"],
          rows.map(({ what, state }) => [what, state]),
        );
      if (options.json) rig.print(JSON.stringify(rows, undefined, 2));
      else rig.print(rows.length > 0 ? table() : "There is no sandbox. Make one: npm run sandbox");
      rig.exitWith(rows.length > 0 && rows.every((row) => row.good) ? EXIT.ok : EXIT.attention);
    });
}

async function collect(rig: Rig): Promise<Row[]> {
  const { exec } = rig;
  if ((await exec(["docker", "version"], { mayFail: true })).code !== 0) {
    const stopped = { what: "docker", state: "does not run; npm run sandbox start starts it", good: false };
    return existsSync(rig.paths.sandbox) ? [stopped] : [];
  }
  const rows: Row[] = [];
  const registry = await inspectContainer(exec, REGISTRY, "{{.State.Status}}");
  if (registry !== undefined) rows.push({ what: "image registry", state: registry, good: registry === "running" });
  for (const vm of await listVms(rig)) {
    const state = (await inspectContainer(exec, containerOf(vm), "{{.State.Status}}")) ?? "gone";
    rows.push({ what: `vm ${vm}`, state, good: state === "running" });
    if (vm === "prod" && state === "running") rows.push(...(await services(rig)), ...(await vault(rig)), jobs(rig));
  }
  return rows;
}

async function services(rig: Rig): Promise<Row[]> {
  const { argv, environment } = await sshTo(rig, "prod");
  const list = ["docker", "ps", "--all", "--format", "'{{.Names}}\t{{.Status}}'"];
  const { stdout } = await rig.exec(["ssh", ...argv, ...list], { environment, mayFail: true, timeoutSeconds: 30 });
  return parseServices(stdout);
}

/** `postgres<TAB>Up 3 minutes (healthy)`, one a line. */
export function parseServices(output: string): Row[] {
  const lines = output.split("\n").filter((line) => line.includes("\t"));
  return lines.sort().map((line) => {
    const [name = "", state = ""] = line.split("\t");
    return { what: `  ${name}`, state, good: /^Up /.test(state) && !/unhealthy|starting/.test(state) };
  });
}

function jobs({ paths }: Rig): Row {
  return jobsRow(runnerIsolation(readStackConfig(sandboxFiles(paths).config)));
}

/** What keeps jobs of Actions from the VM, as `foundation verify` says it. That the runner runs is a line of its own. */
export function jobsRow(isolation: ReturnType<typeof runnerIsolation>): Row {
  return { what: "  jobs of Actions", state: `runner: ${isolation}`, good: true };
}

async function vault(rig: Rig): Promise<Row[]> {
  const { exec, paths, node } = rig;
  const helper = join(paths.project, "unseal-helper", "main.ts");
  const argv = [node, helper, "status", "--stack", STACK, "--keys", sandboxFiles(paths).keys, "--json"];
  const { code } = await exec(argv, { environment: stackEnvironment(rig), mayFail: true, timeoutSeconds: 30 });
  const states: Record<number, string> = {
    [EXIT.ok]: "unsealed",
    [EXIT.attention]: "sealed; npm run sandbox start opens it",
    [EXIT.uninitialised]: "never initialised; npm run sandbox goes on",
    [EXIT.halfDone]: "initialisation stopped half-way; npm run sandbox goes on",
  };
  return [
    { what: "  Vault's seal", state: states[code] ?? "unknown: Vault cannot be reached", good: code === EXIT.ok },
  ];
}
